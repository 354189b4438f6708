import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { BroadcastChannel } from "node:worker_threads";
import { freePort } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";
import type { DataPlaneSettings } from "../src/worker/settings.ts";

/* Limits that keep one client, or many, from taking the gateway away from the others. */

interface Stage {
  readonly worker: WorkerThread;
  readonly port: number;
}

async function startReplica(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port; // a TCP server
}

async function serve(worker: WorkerThread, replica: number, address = "127.0.0.1"): Promise<number> {
  const port = await freePort();
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: replica }] }) },
    { change: "listener_set", listener: aListener(port, { address }) },
  );
  return port;
}

async function stage(
  settings: Partial<DataPlaneSettings>,
  listener: RequestListener = (_, response) => response.end("ok"),
): Promise<Stage> {
  const worker = await startWorker({ settings: { shedDelayMs: 60_000, ...settings } });
  onTestFinished(() => worker[Symbol.asyncDispose]());
  return { worker, port: await serve(worker, await startReplica(listener)) };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

async function ask(
  port: number,
  options: { path?: string; headers?: Record<string, string>; host?: string } = {},
): Promise<Answer> {
  const outgoing = httpRequest({ port, host: "127.0.0.1", agent: false, ...options }).end();
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
}

function isServed(port: number): Promise<boolean> {
  return ask(port).then(
    ({ status }) => status === 200,
    () => false,
  );
}

const get = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/** A connection that reads what comes. */
function dial(
  port: number,
  localAddress = "127.0.0.1",
): { socket: Socket; heard: () => string; closed: Promise<void> } {
  let heard = "";
  const closed = Promise.withResolvers<void>();
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => closed.resolve());
  socket.on("data", (bytes) => (heard += bytes.toString("latin1")));
  onTestFinished(() => void socket.destroy());
  return { socket, heard: () => heard, closed: closed.promise };
}

async function answered(port: number, localAddress?: string): Promise<ReturnType<typeof dial>> {
  const client = dial(port, localAddress);
  client.socket.write(get);
  await expect.poll(client.heard).toContain("200 OK");
  return client;
}

test("connections of one address have a limit, which those of others do not feel", async () => {
  const { port } = await stage({ connectionsPerAddress: 2 });
  const first = await answered(port);
  await answered(port);
  const third = dial(port);
  third.socket.write(get);
  await third.closed;
  expect(third.heard()).toBe("");
  await answered(port, "127.0.0.2");
  first.socket.destroy();
  await expect.poll(() => isServed(port)).toBe(true);
});

test("connections have a limit, and a place that is free again is given again", async () => {
  const { port } = await stage({ connections: 2 });
  const first = await answered(port);
  await answered(port, "127.0.0.2");
  const third = dial(port, "127.0.0.3");
  third.socket.write(get);
  await third.closed;
  expect(third.heard()).toBe("");
  first.socket.destroy();
  await expect.poll(() => isServed(port)).toBe(true);
});

test("requests under way have a limit: what is more is answered with 503 and Retry-After", async () => {
  const release = Promise.withResolvers<void>();
  let arrived = 0;
  const { port } = await stage({ requests: 2 }, (_, response) => {
    arrived += 1;
    void release.promise.then(() => response.end("ok"));
  });
  const held = [ask(port), ask(port)];
  await expect.poll(() => arrived).toBe(2);
  const refused = await ask(port);
  expect(refused).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  expect(JSON.parse(refused.body)).toMatchObject({ code: "GATEWAY_OVERLOADED" });
  release.resolve();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await ask(port)).status).toBe(200);
});

test("upgraded connections have a limit of their own", async () => {
  const worker = await startWorker({ settings: { shedDelayMs: 60_000, tunnels: 1 } });
  onTestFinished(() => worker[Symbol.asyncDispose]());
  const upstream = createServer((_, response) => response.end("ok"));
  upstream.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  });
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  onTestFinished(() => void upstream.close());
  const port = await serve(worker, (upstream.address() as AddressInfo).port);
  const upgrade = "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const first = dial(port);
  first.socket.write(upgrade);
  await expect.poll(first.heard).toContain("101 Switching Protocols");
  const second = dial(port);
  second.socket.write(upgrade);
  await second.closed;
  expect(second.heard()).toContain("503 Service Unavailable");
  expect((await ask(port)).status).toBe(200);
});

test("after as many requests as a connection may bring the client is told to take another one", async () => {
  const { port } = await stage({ requestsPerConnection: 3, keepAliveTimeoutMs: 500 });
  const client = dial(port);
  for (let count = 1; count <= 3; count += 1) {
    client.socket.write(get);
    await expect.poll(() => client.heard().split("200 OK").length - 1).toBe(count);
  }
  await client.closed;
  expect(client.heard().toLowerCase().split("connection: close").length - 1).toBe(1);
});

test("a connection that brings no further request is ended, one that does is not", async () => {
  const { port } = await stage({ keepAliveTimeoutMs: 200 });
  const idle = dial(port);
  const busy = dial(port);
  const asking = setInterval(() => busy.socket.write(get), 100);
  onTestFinished(() => clearInterval(asking));
  idle.socket.write(get);
  await idle.closed;
  expect(idle.heard()).toContain("\r\nKeep-Alive: timeout=0, max=10000\r\n");
  const answered = busy.heard().split("200 OK").length;
  await expect.poll(() => busy.heard().split("200 OK").length).toBeGreaterThan(answered);
});

test("a hundred clients that never finish their heads hold nobody up and are sent away with 408", async () => {
  const { port } = await stage({ headersTimeoutMs: 1_000 });
  const slow = Array.from({ length: 100 }, () => dial(port));
  const drip = setInterval(() => {
    for (const { socket } of slow) if (socket.writable) socket.write("X: y\r\n");
  }, 200);
  onTestFinished(() => clearInterval(drip));
  for (const { socket } of slow) socket.write("GET / HTTP/1.1\r\nHost: a.example\r\n");
  expect((await ask(port)).status).toBe(200);
  await Promise.all(slow.map(({ closed }) => closed));
  expect(slow.filter(({ heard }) => heard().startsWith("HTTP/1.1 408 "))).toHaveLength(100);
});

test("a client that does not read its answer is cut off, and its replica let go", async () => {
  const gone = Promise.withResolvers<void>();
  const { port } = await stage({ connections: 1, idleTimeoutMs: 500 }, (request, response) => {
    if (request.url === "/") return void response.end("ok");
    response.on("close", () => gone.resolve());
    const piece = Buffer.alloc(1024 * 1024);
    const give = (): void => {
      while (response.write(piece));
      response.once("drain", give);
    };
    give();
  });
  const reader = connect({ port, host: "127.0.0.1" }).on("error", () => undefined);
  onTestFinished(() => void reader.destroy());
  reader.pause().write("GET /endless HTTP/1.1\r\nHost: a.example\r\n\r\n");
  await gone.promise;
  await expect.poll(() => isServed(port)).toBe(true);
});

test("a client that does not read answers which are complete is cut off too", async () => {
  let served = 0;
  const body = Buffer.alloc(60_000);
  const { port } = await stage({ connections: 1, idleTimeoutMs: 500 }, (_, response) => {
    served += 1;
    response.end(body);
  });
  const reader = connect({ port, host: "127.0.0.1" }).on("error", () => undefined);
  onTestFinished(() => void reader.destroy());
  reader.pause().write(get.repeat(1_000));
  await expect.poll(() => served).toBeGreaterThan(100);
  await expect.poll(() => isServed(port)).toBe(true);
});

test("a thread that is late sends requests away with 503 and Retry-After, and takes them again when it is not", async () => {
  const worker = await startWorker({}, new URL("./fixtures/busy-worker.ts", import.meta.url));
  onTestFinished(() => worker[Symbol.asyncDispose]());
  const port = await serve(worker, await startReplica((_, response) => response.end("ok")));
  const orders = new BroadcastChannel("busy-worker");
  onTestFinished(() => orders.close());
  // The default: more than 200 ms late, twice in a row.
  orders.postMessage("busy");
  let refused: Answer | undefined;
  await expect
    .poll(async () => {
      const answer = await ask(port);
      if (answer.status === 503) refused = answer;
      return answer.status;
    })
    .toBe(503);
  expect(refused?.headers["retry-after"]).toBe("1");
  expect(JSON.parse(refused?.body ?? "")).toMatchObject({ code: "GATEWAY_OVERLOADED" });
  orders.postMessage("idle");
  await expect.poll(() => ask(port).then(({ status }) => status)).toBe(200);
});

test("whoever says nothing, or not all, does not hold up the end of the gateway", async () => {
  const { worker, port } = await stage({ headersTimeoutMs: 1_000 });
  const silent = dial(port);
  await once(silent.socket, "connect");
  const half = dial(port);
  half.socket.write("GET / HTTP/1.1\r\n");
  await answered(port);
  worker.post({ type: "drain", stopAccepting: "now" });
  await worker.wait("drained");
  await Promise.all([silent.closed, half.closed]);
});

const forwarded = { "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https", forwarded: "for=6.6.6.6" };

test.each([
  { name: "nobody is trusted", trusted: [], given: forwarded, chain: "127.0.0.1" },
  { name: "others are trusted", trusted: ["10.0.0.0/8"], given: forwarded, chain: "127.0.0.1" },
  { name: "a trusted one", trusted: ["127.0.0.0/8"], given: forwarded, chain: "203.0.113.7, 127.0.0.1" },
  {
    name: "several hops behind a trusted one",
    trusted: ["127.0.0.1", "10.0.0.0/8"],
    given: { "x-forwarded-for": "6.6.6.6, 203.0.113.7, 10.0.0.5" },
    chain: "6.6.6.6, 203.0.113.7, 10.0.0.5, 127.0.0.1",
  },
  {
    name: "a trusted one of IPv6",
    trusted: ["::1"],
    host: "::1",
    given: { "x-forwarded-for": "2001:db8::7" },
    chain: "2001:db8::7, ::1",
  },
  { name: "one of IPv6 that is not", trusted: ["2001:db8::/32"], host: "::1", given: forwarded, chain: "::1" },
])("what a proxy says of its client is believed from trusted networks only: $name", async (one) => {
  const seen: IncomingMessage["headers"][] = [];
  const worker = await startWorker({ settings: { shedDelayMs: 60_000, trustedProxies: one.trusted } });
  onTestFinished(() => worker[Symbol.asyncDispose]());
  const replica = await startReplica((request, response) => {
    seen.push(request.headers);
    response.end("ok");
  });
  const host = one.host ?? "127.0.0.1";
  const port = await serve(worker, replica, host);
  expect((await ask(port, { host, headers: one.given })).status).toBe(200);
  expect(seen[0]).toMatchObject({ "x-forwarded-for": one.chain, "x-forwarded-proto": "http" });
  expect(seen[0]).not.toHaveProperty("forwarded");
});
