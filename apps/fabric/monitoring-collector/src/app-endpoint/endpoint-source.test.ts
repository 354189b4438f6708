import { createServer, type RequestListener, type Server } from "node:http";
import { once } from "node:events";
import { createTestLogger } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import type { ReplicaReading } from "../sampling/replica-source.ts";
import { createEndpointSource } from "./endpoint-source.ts";

const page = "# TYPE http_requests_total counter\nhttp_requests_total 5\n";

/** A replica whose app answers so. */
async function aReplica(replicaId: string, answer: RequestListener): Promise<ReplicaReading> {
  const server: Server = createServer(answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens at a port");
  return {
    identity: { appId: "app", app: "orders", environment: "prod", replicaId, version: "1" },
    startedAtMs: 0,
    cpu: undefined,
    memory: undefined,
    endpoint: { address: "127.0.0.1", port: address.port, path: "/metrics", names: [] },
  };
}

test("a hostile app harms neither the collector nor other apps: redirects, floods, packed and endless answers (META 3)", async () => {
  let redirected = 0;
  const secret = await aReplica("secret", (_, response) => {
    redirected += 1;
    response.end(page);
  });
  const replicas = [
    await aReplica("redirects", (_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${secret.endpoint?.port}/metrics` }).end();
    }),
    await aReplica("floods", (_, response) => {
      const more = (): void => void response.write(Buffer.alloc(65_536, "x"), (error) => error ?? more());
      more();
    }),
    await aReplica("packed", (_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(page);
    }),
    await aReplica("silent", () => undefined),
    await aReplica("endless", (_, response) => void response.write(page)),
    await aReplica("good", (request, response) => {
      expect(request.headers["accept"]).toContain("openmetrics");
      response.end(page);
    }),
  ];
  const results: string[] = [];
  const source = createEndpointSource({ onRead: (result) => results.push(result), logger: createTestLogger().logger });

  const read = await source.read(replicas);

  expect([...read.keys()]).toEqual(["app/good"]);
  expect(results.toSorted()).toEqual(["failed", "failed", "failed", "failed", "failed", "ok"]);
  expect(redirected).toBe(0);
  expect([...(await source.read([])).keys()]).toEqual([]);
});
