import { freePort } from "@drawbridge/testkit";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { startServer } from "./support/start-server.ts";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";

async function serve(worker: WorkerThread, upstreamPort: number): Promise<number> {
  const port = await freePort();
  await worker.apply(
    { change: "app_set", app: anApp({ replicas: [{ replicaId: "r1", address: "127.0.0.1", port: upstreamPort }] }) },
    { change: "listener_set", listener: aListener(port) },
  );
  return port;
}

async function ask(
  port: number,
  options: { path?: string; method?: string; headers?: Record<string, string>; body?: Buffer } = {},
): Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer }> {
  const outgoing = request({
    port,
    host: "127.0.0.1",
    path: options.path,
    method: options.method,
    headers: options.headers,
  });
  outgoing.end(options.body);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
}

describe.each(["own", "undici"] as const)("replicas spoken to by the client %s", (upstreamClient) => {
  test("a request of an untracked resource reaches a replica as it was, and its answer the client (GK 2)", async () => {
    await using upstream = await startServer((_, response) => {
      response.writeHead(201, { "x-answer": "yes", "content-type": "text/plain" });
      response.end("hello");
    });
    await using worker = await startWorker({ settings: { upstreamClient } });
    const port = await serve(worker, upstream.port);

    const answer = await ask(port, { path: "/a//b/../c?x=1", headers: { "x-one": "1", "x-forwarded-for": "6.6.6.6" } });

    expect(answer.status).toBe(201);
    expect(answer.headers["x-answer"]).toBe("yes");
    expect(answer.body.toString()).toBe("hello");
    const [seen] = upstream.requests;
    expect(seen?.url).toBe("/a/c?x=1");
    expect(seen?.headers).toMatchObject({
      "x-one": "1",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      host: `127.0.0.1:${port}`,
      via: "1.1 drawbridge",
    });
    expect(seen?.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(worker.records()).toEqual([]);
  });

  test.each([
    { name: "of a known length", headers: { "content-length": "300000" } },
    { name: "in chunks", headers: { "transfer-encoding": "chunked" } },
  ])("bodies pass in both directions: $name", async ({ headers }) => {
    await using upstream = await startServer((incoming, response) => {
      void buffer(incoming).then((body) => response.end(body));
    });
    await using worker = await startWorker({ settings: { upstreamClient } });
    const port = await serve(worker, upstream.port);
    const body = Buffer.alloc(300_000, "abcdefg");

    const answer = await ask(port, { method: "POST", headers, body });

    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
  });

  test("without a ready replica the answer is 503 with Retry-After", async () => {
    await using worker = await startWorker({ settings: { upstreamClient } });
    const port = await freePort();
    await worker.apply(
      { change: "app_set", app: anApp({ replicas: [] }) },
      { change: "listener_set", listener: aListener(port) },
    );

    const answer = await ask(port);

    expect(answer.status).toBe(503);
    expect(answer.headers["retry-after"]).toBe("1");
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      type: "urn:drawbridge:error:REPLICA_UNAVAILABLE",
      status: 503,
    });
  });
});
