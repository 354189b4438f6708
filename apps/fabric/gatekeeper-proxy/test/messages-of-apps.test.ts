import { freePort } from "@drawbridge/testkit";
import { request } from "node:http";
import { expect, test } from "vitest";
import { readTraffic, trafficPath, type ReplicaTraffic } from "@drawbridge/app-routes";
import { startServer } from "./support/start-server.ts";
import { startToldFabric } from "./support/told-gateway.ts";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";

/** All that a worker has counted, by replica. */
function countedBy(worker: WorkerThread): Readonly<Record<string, Omit<ReplicaTraffic, "appId" | "replicaId">>> {
  const sums: Record<string, { requests: number; errors: number; durationMs: number }> = {};
  const counted = worker.heard.flatMap((message) => (message.type === "traffic" ? message.replicas : []));
  for (const { replicaId, requests, errors, durationMs } of counted) {
    const sum = (sums[replicaId] ??= { requests: 0, errors: 0, durationMs: 0 });
    sum.requests += requests;
    sum.errors += errors;
    sum.durationMs += durationMs;
  }
  return sums;
}

test("counts messages of apps by replica, tracked or not, with what failed; not what the gateway itself refuses (MON)", async () => {
  await using upstream = await startServer((incoming, response) => {
    if (incoming.url === "/fails") response.writeHead(500).end();
    else if (incoming.url === "/breaks-off") {
      response.writeHead(200, { "content-length": "10" });
      response.write("half", () => response.destroy());
    } else if (incoming.url !== "/never") response.end("fine");
  });
  await using worker = await startWorker();
  const port = await freePort();
  const replicas = [{ replicaId: "r1", address: "127.0.0.1", port: upstream.port }];
  const gate = { gateId: "g1", apiName: "orders", apiVersion: "v1", basePath: "/tracked", resources: [] };
  const bindings = [{ ...gate, verdict: { verdict: "closed", reason: "initializing" } as const }];
  await worker.apply(
    { change: "app_set", app: anApp({ replicas, bindings }) },
    { change: "listener_set", listener: aListener(port) },
  );
  const url = `http://127.0.0.1:${port}`;

  expect((await fetch(`${url}/`)).status).toBe(200);
  expect((await fetch(`${url}/fails`)).status).toBe(500);
  await expect(fetch(`${url}/breaks-off`).then((answer) => answer.text())).rejects.toThrow();
  const left = request({ port, host: "127.0.0.1", path: "/never" });
  left.on("error", () => undefined).end();
  await expect.poll(() => upstream.requests.length).toBe(4);
  left.destroy();
  expect((await fetch(`${url}/tracked`)).status).toBe(503); // its gate is closed: no message of the app
  await expect.poll(() => countedBy(worker)).toMatchObject({ r1: { requests: 4, errors: 2 } });
  expect(countedBy(worker)["r1"]?.durationMs).toBeGreaterThan(0);

  await worker.apply({ change: "app_set", app: anApp({ replicas: [] }) });
  expect((await fetch(`${url}/`)).status).toBe(503);
  await expect.poll(() => countedBy(worker)).toMatchObject({ "": { requests: 1, errors: 1 }, r1: { requests: 4 } });
});

test("what a gateway has counted is on disk when it ends, and the next one goes on with it, also after kill -9 (MON)", async () => {
  await using fabric = await startToldFabric();
  const counted = (): number =>
    readTraffic(trafficPath(fabric.directory))?.replicas.find(({ replicaId }) => replicaId === "replica-of-one")
      ?.requests ?? 0;
  const first = await fabric.start();
  await fabric.ask(5, "/elsewhere");
  await first.stop();
  expect(counted()).toBe(fabric.app.arrived.length);

  const second = await fabric.start();
  await fabric.ask(2);
  await expect.poll(counted).toBe(fabric.app.arrived.length);
  await second.kill();
  await fabric.start();
  await fabric.ask(1);
  await expect.poll(counted).toBe(fabric.app.arrived.length);
});
