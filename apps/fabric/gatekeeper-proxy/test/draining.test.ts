import { freePort } from "@drawbridge/testkit";
import { once } from "node:events";
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { aListener, anApp, startWorker } from "./support/worker-thread.ts";

async function startUpstream(name: string, delayMs = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => {
    if (delayMs === 0) response.end(name);
    else setTimeout(() => response.end(name), delayMs);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

async function ask(
  port: number,
  agent: Agent | false = false,
): Promise<{ status: number; body: string; connection: string }> {
  const outgoing = httpRequest({ port, host: "127.0.0.1", agent }).end();
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer), connection: answer.headers.connection ?? "" };
}

const outcomeOf = (port: number): Promise<unknown> =>
  ask(port).then(
    ({ status }) => status,
    (error: NodeJS.ErrnoException) => error.code,
  );

test("no request is lost while replicas, routes and the deployment change under load", async () => {
  await using worker = await startWorker({ settings: { shedDelayMs: 60_000 } });
  const first = await startUpstream("first");
  const second = await startUpstream("second");
  const replicas = {
    first: { replicaId: "r1", address: "127.0.0.1", port: first.port },
    second: { replicaId: "r2", address: "127.0.0.1", port: second.port },
  };
  const port = await freePort();
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [replicas.first] }) },
    { change: "listener_set", listener: aListener(port) },
  );
  const agent = new Agent({ keepAlive: true });
  const stop = new AbortController();
  const statuses: number[] = [];
  const load = Array.from({ length: 8 }, async () => {
    while (!stop.signal.aborted) statuses.push((await ask(port, agent)).status);
  });
  for (let change = 0; change < 40 || statuses.length < 100; change += 1) {
    const replica = change % 2 === 0 ? replicas.second : replicas.first;
    await worker.apply({ change: "app_set", app: anApp({ replicas: [replica] }) });
  }
  stop.abort();
  await Promise.all(load);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  agent.destroy();
  first.server.close();
  second.server.close();
});

test("a replica that is not listed any more is reported until its last request has ended", async () => {
  await using worker = await startWorker();
  const slow = await startUpstream("slow", 400);
  const port = await freePort();
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: slow.port }] }) },
    { change: "listener_set", listener: aListener(port) },
  );
  const answer = ask(port);
  await once(slow.server, "request");
  const said = await worker.apply({ change: "replicas_set", appId: "app-1", deployments: [] });
  expect(said.map(({ type }) => type)).toEqual(["in_flight", "applied"]);
  await worker.wait("in_flight", ({ draining }) => draining.length === 1 && draining[0]?.replicaId === "r1");
  expect((await answer).body).toBe("slow");
  await worker.wait("in_flight", ({ draining }) => draining.length === 0);
  slow.server.close();
});

test("draining says Connection: close, then takes no new connection, and ends when the last request has", async () => {
  await using worker = await startWorker();
  const slow = await startUpstream("slow", 300);
  const port = await freePort();
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: slow.port }] }) },
    { change: "listener_set", listener: aListener(port) },
  );
  const agent = new Agent({ keepAlive: true });
  expect((await ask(port, agent)).connection).toBe("keep-alive");
  worker.post({ type: "drain", stopAccepting: "later" });
  expect((await ask(port, agent)).connection).toBe("close");
  const last = ask(port);
  await once(slow.server, "request");
  worker.post({ type: "drain", stopAccepting: "now" });
  expect((await last).body).toBe("slow");
  await worker.wait("drained");
  await expect(ask(port)).rejects.toThrow("ECONNREFUSED");
  agent.destroy();
  slow.server.close();
});

test("a gateway that has stopped accepting opens no port again, whatever its apps ask for while it drains", async () => {
  await using worker = await startWorker();
  const slow = await startUpstream("slow", 500);
  const [port, later] = [await freePort(), await freePort()];
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: slow.port }] }) },
    { change: "listener_set", listener: aListener(port) },
  );
  const last = ask(port);
  await once(slow.server, "request");
  worker.post({ type: "drain", stopAccepting: "now" });
  const said = await worker.apply(
    { change: "listener_set", listener: aListener(port) },
    { change: "listener_set", listener: aListener(later) },
  );
  expect(said.map(({ type }) => type)).toEqual(["applied"]);
  for (const closed of [port, later]) await expect.poll(() => outcomeOf(closed)).toBe("ECONNREFUSED");
  expect((await last).body).toBe("slow");
  await worker.wait("drained");
  slow.server.close();
});

test("an app that goes is still there for whoever asks for it on a connection that he has", async () => {
  await using worker = await startWorker();
  const slow = await startUpstream("slow", 300);
  const port = await freePort();
  const { listenerId } = aListener(port);
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: slow.port }] }) },
    { change: "listener_set", listener: aListener(port) },
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const [first, second] = [ask(port, agent), ask(port, agent)]; // the second one goes when the first was answered
  await once(slow.server, "request");
  await worker.apply({ change: "listener_removed", listenerId }, { change: "app_removed", appId: "app-1" });
  expect(await Promise.all([first, second])).toMatchObject([{ body: "slow" }, { body: "slow" }]);
  await expect.poll(() => outcomeOf(port)).toBe("ECONNREFUSED");
  agent.destroy();
  slow.server.close();
});

test("a listener says why it cannot listen, and two may share a port", async () => {
  await using one = await startWorker();
  await using other = await startWorker();
  const upstream = await startUpstream("here");
  const app = anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: upstream.port }] });
  const port = await freePort();
  for (const worker of [one, other]) {
    const said = await worker.apply(
      { change: "app_set", app },
      { change: "listener_set", listener: aListener(port) },
      { change: "listener_set", listener: aListener(upstream.port) },
    );
    expect(said.filter(({ type }) => type === "listening")).toMatchObject([
      { listenerId: `l-${port}`, failure: undefined },
      { listenerId: `l-${upstream.port}`, failure: "EADDRINUSE" },
    ]);
  }
  expect((await ask(port)).body).toBe("here");
  upstream.server.close();
});
