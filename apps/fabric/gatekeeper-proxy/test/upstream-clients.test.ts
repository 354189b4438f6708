import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createNetServer, type AddressInfo, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "@drawbridge/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSmugglingGateway } from "./smuggling/lanes.ts";
import { responseCases } from "./smuggling/response-cases.ts";
import { runSmugglingCase } from "./smuggling/suite.ts";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";

/* What the gateway owes clients and replicas does not depend on who speaks HTTP/1.1 with replicas. */

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port; // a TCP server
}

/** Until it has not changed for half a second. */
async function settled(read: () => number): Promise<number> {
  for (let before = -1, now = read(); ; now = read()) {
    if (now === before && now > 0) return now;
    before = now;
    await pause(500);
  }
}

/** A replica that answers the first request of a connection and closes it when the second arrives. */
async function forgetfulReplica(): Promise<{ port: number; requests: string[]; close: () => void }> {
  const requests: string[] = [];
  const server = createNetServer((socket: Socket) => {
    let count = 0;
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => {
      count += 1;
      requests.push(bytes.toString().split(" ", 1)[0] ?? "");
      if (count === 2) socket.destroy();
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  });
  return { port: await portOf(server), requests, close: () => server.close() };
}

describe.each(["own", "undici"] as const)("replicas spoken to by the client %s", (upstreamClient) => {
  let worker: WorkerThread;
  let apps = 0;
  beforeAll(async () => {
    worker = await startWorker({ settings: { idleTimeoutMs: 1_500, shedDelayMs: 60_000, upstreamClient } });
  });
  afterAll(() => worker[Symbol.asyncDispose]());

  const serve = (...replicaPorts: readonly number[]): Promise<number> => serveOn(worker, ...replicaPorts);

  async function serveOn(at: WorkerThread, ...replicaPorts: readonly number[]): Promise<number> {
    apps += 1;
    const appId = `app-${apps}`;
    const port = await freePort();
    const replicas = replicaPorts.map((replica) => ({
      replicaId: `r${replica}`,
      address: "127.0.0.1",
      port: replica,
    }));
    await at.apply(
      { change: "app_set", app: anApp({ appId, replicas }) },
      { change: "listener_set", listener: aListener(port, { target: { kind: "app", appId } }) },
    );
    return port;
  }

  async function ask(port: number, method = "GET", path = "/"): Promise<{ status: number; body: string }> {
    const outgoing = httpRequest({ port, host: "127.0.0.1", method, path, agent: false }).end();
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, body: await text(answer).catch(() => "broken off") };
  }

  test("a client that leaves early takes its request at the replica with it", async () => {
    const gone = Promise.withResolvers<void>();
    const upstream = createServer((_request, response) => {
      response.write("begun");
      response.on("close", () => gone.resolve());
    });
    const port = await serve(await portOf(upstream));
    const client = httpRequest({ port, host: "127.0.0.1" }).end();
    const [answer] = (await once(client, "response")) as [IncomingMessage];
    await once(answer, "data");
    client.destroy();
    await gone.promise;
    upstream.close();
  });

  test.each([
    { method: "GET", seen: ["GET", "GET", "GET"], status: 200 },
    { method: "POST", seen: ["POST", "POST"], status: 502 },
  ])(
    "a $method that dies on a connection that had been idle is answered with $status",
    async ({ method, seen, status }) => {
      const replica = await forgetfulReplica();
      const port = await serve(replica.port);
      expect([(await ask(port, method)).status, (await ask(port, method)).status]).toEqual([200, status]);
      expect(replica.requests).toEqual(seen);
      replica.close();
    },
  );

  test("a connection takes one request after another", async () => {
    let connections = 0;
    const upstream = createServer((_request, response) => response.end("ok"));
    upstream.on("connection", () => (connections += 1));
    const port = await serve(await portOf(upstream));
    for (let index = 0; index < 20; index += 1) expect((await ask(port)).status).toBe(200);
    expect(connections).toBe(1);
    upstream.closeAllConnections();
    upstream.close();
  });

  test("a replica that cannot be reached is passed over", async () => {
    const upstream = createServer((_request, response) => response.end("ok"));
    const port = await serve(await freePort(), await portOf(upstream));
    for (let index = 0; index < 4; index += 1) expect(await ask(port, "POST")).toEqual({ status: 200, body: "ok" });
    upstream.closeAllConnections();
    upstream.close();
  });

  test("an event stream may be silent for longer than any other answer", async () => {
    const upstream = createServer((request, response) => {
      response.writeHead(200, { "content-type": request.url === "/sse" ? "text/event-stream" : "text/plain" });
      response.write("data: 1\n\n");
      setTimeout(() => response.end("data: 2\n\n"), 3_500);
    });
    const port = await serve(await portOf(upstream));
    const [stream, plain] = await Promise.all([ask(port, "GET", "/sse"), ask(port, "GET", "/plain")]);
    expect([stream.body, plain.body]).toEqual(["data: 1\n\ndata: 2\n\n", "broken off"]);
    upstream.close();
  });

  test("a replica that is silent is given up, also if it never reads the body", async () => {
    await using slow = await startWorker({
      settings: { idleTimeoutMs: 500, responseTimeoutMs: 500, shedDelayMs: 60_000, upstreamClient },
    });
    const upstream = createNetServer((socket) => void socket.pause().on("error", () => socket.destroy()));
    const port = await serveOn(slow, await portOf(upstream));
    const outgoing = httpRequest({ port, host: "127.0.0.1", method: "POST" });
    outgoing.on("error", () => undefined); // the gateway reads no more of it
    outgoing.write(Buffer.alloc(32 * 1024 * 1024));
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    expect([(await ask(port)).status, answer.statusCode]).toEqual([504, 504]);
    outgoing.destroy();
    upstream.close();
  });

  const size = 64 * 1024 * 1024;

  test("a client that does not read holds the replica up, not the gateway's memory", async () => {
    let sent = 0;
    const piece = Buffer.alloc(64 * 1024);
    const give = (response: ServerResponse): void => {
      while (sent < size) {
        sent += piece.length;
        if (!response.write(piece)) return void response.once("drain", () => give(response));
      }
      response.end();
    };
    const upstream = createServer((_request, response) => give(response));
    await using patient = await startWorker({ settings: { shedDelayMs: 60_000, upstreamClient } });
    const port = await serveOn(patient, await portOf(upstream));
    const outgoing = httpRequest({ port, host: "127.0.0.1" }).end();
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    expect(await settled(() => sent)).toBeLessThan(size / 2);
    let received = 0;
    for await (const bytes of answer) received += (bytes as Buffer).length;
    expect(received).toBe(size);
    upstream.close();
  });

  test("a replica that does not read holds the client up, not the gateway's memory", async () => {
    const begun = Promise.withResolvers<() => void>();
    let received = 0;
    const upstream = createServer((request, response) => {
      begun.resolve(() => {
        request.on("data", (bytes: Buffer) => (received += bytes.length));
        request.on("end", () => response.end("ok"));
      });
    });
    await using patient = await startWorker({ settings: { shedDelayMs: 60_000, upstreamClient } });
    const port = await serveOn(patient, await portOf(upstream));
    let sent = 0;
    const piece = Buffer.alloc(64 * 1024);
    const outgoing = httpRequest({ port, host: "127.0.0.1", method: "POST" });
    const give = (): void => {
      while (sent < size) {
        sent += piece.length;
        if (!outgoing.write(piece)) return void outgoing.once("drain", give);
      }
      outgoing.end();
    };
    give();
    const read = await begun.promise;
    expect(await settled(() => sent)).toBeLessThan(size / 2);
    read();
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    expect([answer.statusCode, received]).toEqual([200, size]);
    outgoing.destroy();
    upstream.close();
  });
});

/** Where undici reads what the other client refuses, and the other way round; all of it without doubt. */
const byUndici: Readonly<Record<string, { readonly status: number | "broken"; readonly body?: string }>> = {
  "answer head: chunked in HTTP/1.0": { status: 200, body: "" },
  "answer head: HTTP/2.0": { status: 200 },
  "answer head: no blank behind the status": { status: 200 },
  "answer head: a control byte in the reason": { status: 200 },
  "answer head: an empty line in front": { status: 200 },
  "answer chunk: a quoted extension": { status: 200, body: "hello" },
  "answer chunk: extensions without end": { status: 200, body: "hello" },
  "answer passes: two equal lengths are one": { status: 502 },
  "answer chunk: an extension without a value": { status: 200, body: "hello" },
  "answer passes: behind 100 Continue": { status: 502 },
  "answer passes: a trailer that frames is dropped": { status: "broken" },
};

test("through undici every answer is refused or passed on without doubt as well, but for those named here", async () => {
  await using gateway = await startSmugglingGateway(8, "undici");
  const waiting = [...responseCases];
  const findings: string[] = [];
  await Promise.all(
    gateway.lanes.map(async (lane) => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        const name = `${one.group}: ${one.name}`;
        const { body: _body, fields: _fields, ...rest } = one;
        const expected = byUndici[name];
        const found = await runSmugglingCase(lane, expected === undefined ? one : { ...rest, ...expected });
        findings.push(...found.map((finding) => `${name}: ${finding}`));
      }
    }),
  );
  expect(findings).toEqual([]);
});
