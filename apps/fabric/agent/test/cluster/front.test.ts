import { systemClock } from "@drawbridge/lifecycle";
import { freePort, sendThenRead } from "@drawbridge/testkit";
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { ReplicaTraffic, Route } from "@drawbridge/app-routes";
import { createFrontServer } from "../../src/front/front-server.ts";
import { createFrontTraffic } from "../../src/front/front-traffic.ts";
import { createReplicaPool } from "../../src/front/replica-pool.ts";
import { eventually } from "./harness.ts";

interface Replica extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
}

async function aReplica(listener: RequestListener, onServer?: (server: Server) => void): Promise<Replica> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  onServer?.(server);
  await once(server, "listening");
  const address = server.address();
  return {
    server,
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

function routesTo(...ports: readonly number[]): readonly Route[] {
  return ports.map((port, index) => ({ replicaId: `replica-${index}`, address: "127.0.0.1", port, protocol: "http1" }));
}

/** A front at a free port over these replicas. */
async function aFront(...ports: readonly number[]) {
  const pool = createReplicaPool(() => undefined);
  const route = (routes: readonly Route[], listed = routes.map(({ replicaId }) => replicaId)) =>
    pool.replace(routes, new Set(listed));
  route(routesTo(...ports));
  const counted: ReplicaTraffic[] = [];
  const traffic = createFrontTraffic({
    tally: { add: (more) => void counted.push(more) },
    appId: "shop-1",
    clock: systemClock,
  });
  const server = createFrontServer({ pool, appName: "shop", traffic, clock: systemClock });
  const port = await freePort();
  expect(await server.listen("127.0.0.1", port)).toBeUndefined();
  return {
    pool,
    route,
    counted,
    port,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** Bytes to the front and all that comes back until it closes. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.write(text);
  await once(socket, "close").catch(() => undefined); // a reset closes it too
  return received;
}

function echoHeaders(incoming: IncomingMessage, response: Parameters<RequestListener>[1]): void {
  response.end(JSON.stringify(incoming.headers));
}

test("passes headers on as they are, tells the replica who asked, and believes nobody about earlier hops", async () => {
  await using replica = await aReplica(echoHeaders);
  await using front = await aFront(replica.port);
  const response = await fetch(front.url, {
    headers: { "x-mine": "1", "x-forwarded-for": "6.6.6.6", "x-forwarded-host": "evil", forwarded: "for=6.6.6.6" },
  });
  const seen: Record<string, string> = JSON.parse(await response.text());
  expect(seen).toMatchObject({
    "x-mine": "1",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": `127.0.0.1:${front.port}`,
    host: `127.0.0.1:${front.port}`,
  });
  expect(seen).not.toHaveProperty("forwarded");
});

test("removes hop-by-hop headers and those that Connection names, but never the framing", async () => {
  await using replica = await aReplica((incoming, response) => {
    response.setHeader("keep-alive", "timeout=77").setHeader("set-cookie", ["a=1", "b=2"]);
    echoHeaders(incoming, response);
  });
  await using front = await aFront(replica.port);
  const answer = await raw(
    front.port,
    "POST / HTTP/1.1\r\nHost: shop\r\nConnection: x-secret, content-length, close\r\nX-Secret: 1\r\nTE: trailers\r\nContent-Length: 2\r\n\r\nhi",
  );
  const seen: Record<string, string> = JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1));
  expect(seen).not.toHaveProperty("x-secret");
  expect(seen).not.toHaveProperty("te");
  expect(seen).toHaveProperty("content-length", "2");
  expect(answer).not.toContain("timeout=77");
  expect(answer.match(/set-cookie/gi)).toHaveLength(2);
});

test.each([
  ["two Host headers", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"],
  ["a request target that is not a path", "GET http://elsewhere/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
  [
    "two ways of framing",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  ["a header without a name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\nConnection: close\r\n\r\n"],
])("refuses %s before any replica sees it", async (_what, text) => {
  let seen = 0;
  await using replica = await aReplica((_incoming, response) => {
    seen += 1;
    response.end();
  });
  await using front = await aFront(replica.port);
  expect(await raw(front.port, text)).toMatch(/^HTTP\/1\.1 400 /);
  expect(seen).toBe(0);
});

test.each([
  ["keep-alive", ["413", "200"]],
  ["close", ["413"]],
])("a body that its replica does not want comes to nothing, and a client of %s gets its answer", async (...given) => {
  const [connection, statuses] = given;
  await using replica = await aReplica(({ method }, response) => {
    response.writeHead(method === "POST" ? 413 : 200).end();
  });
  await using front = await aFront(replica.port);
  const head = `POST / HTTP/1.1\r\nhost: a\r\nconnection: ${connection}\r\n`;
  const behind = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  const said = await sendThenRead(connect(front.port, "127.0.0.1"), head, behind);
  expect(Array.from(said.matchAll(/^HTTP\/1.1 (\d+)/gm), ([, status]) => status)).toEqual(statuses);
});

test("refuses headers above its limit with 431", async () => {
  await using replica = await aReplica(echoHeaders);
  await using front = await aFront(replica.port);
  const answer = await raw(front.port, `GET / HTTP/1.1\r\nHost: a\r\nX-Big: ${"x".repeat(40_000)}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
});

test("streams both ways: the first byte of an answer does not wait for the last of the question", async () => {
  await using replica = await aReplica((incoming, response) => void incoming.pipe(response));
  await using front = await aFront(replica.port);
  const outgoing = request(front.url, { method: "POST" });
  outgoing.write("one ");
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage]; // the event's own argument
  const [first] = (await once(answer, "data")) as [Buffer];
  expect(first.toString()).toBe("one ");
  outgoing.end("two");
  const [second] = (await once(answer, "data")) as [Buffer];
  expect(second.toString()).toBe("two");
});

test("a client that does not read makes the replica wait, not the front grow", async () => {
  let writtenBytes = 0;
  const chunk = Buffer.alloc(65_536);
  await using replica = await aReplica((_incoming, response) => {
    const write = (): void => {
      while (writtenBytes < 1_073_741_824) {
        writtenBytes += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", write);
      }
    };
    write();
  });
  await using front = await aFront(replica.port);
  const socket = connect(front.port, "127.0.0.1");
  socket.pause();
  socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  let before = -1;
  // Written until every buffer on the way is full, and then no more.
  await eventually(async () => {
    const isStill = writtenBytes === before && writtenBytes > 0;
    before = writtenBytes;
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    return isStill;
  });
  expect(writtenBytes).toBeLessThan(134_217_728);
  socket.destroy();
});

test("an answer that breaks off is a cut connection, never a false end", async () => {
  await using replica = await aReplica((incoming, response) => {
    response.write("half an answer");
    setImmediate(() => incoming.socket.destroy());
  });
  await using front = await aFront(replica.port);
  const response = await fetch(front.url);
  await expect(response.text()).rejects.toThrow("terminated");
});

test("a replica that cannot be reached costs nothing: another one gets the request, body included", async () => {
  await using replica = await aReplica((incoming, response) => void incoming.pipe(response));
  await using front = await aFront(await freePort(), replica.port);
  for (let index = 0; index < 6; index += 1) {
    const response = await fetch(front.url, { method: "POST", body: `body ${index}` });
    expect(await response.text()).toBe(`body ${index}`);
  }
});

test("a request that may have arrived is not sent again, and the client is told so", async () => {
  let seen = 0;
  const handler: RequestListener = (incoming) => {
    seen += 1;
    incoming.socket.destroy();
  };
  await using first = await aReplica(handler);
  await using second = await aReplica(handler);
  await using front = await aFront(first.port, second.port);
  const response = await fetch(front.url, { method: "POST", body: "pay" });
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({ code: "APP_CONNECTION_LOST" });
  expect(seen).toBe(1);
});

test("an idempotent request that meets a connection closed while idle is sent again on a new one", async () => {
  const sockets = new Set<Socket>();
  let seen = 0;
  // Answers the first request of a connection, and resets it when it gets a second one.
  const tcp = createTcpServer((socket) => {
    let requests = 0;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", () => {
      requests += 1;
      seen += 1;
      if (requests > 1) socket.resetAndDestroy();
      else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
  }).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const address = tcp.address();
  await using front = await aFront(typeof address === "object" ? (address?.port ?? 0) : 0);
  expect(await (await fetch(front.url)).text()).toBe("ok");
  expect(await (await fetch(front.url)).text()).toBe("ok");
  expect(seen).toBe(3);
  for (const socket of sockets) socket.destroy();
  tcp.close();
});

test("answers 503 with Retry-After when no replica is ready", async () => {
  await using front = await aFront();
  const response = await fetch(front.url);
  expect(response.status).toBe(503);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("retry-after")).toBe("1");
});

test("keeps a client's connection while the replicas behind it change", async () => {
  await using first = await aReplica((_incoming, response) => response.end("one"));
  await using second = await aReplica((_incoming, response) => response.end("two"));
  await using front = await aFront(first.port);
  const socket = connect(front.port, "127.0.0.1");
  const ask = async (): Promise<string> => {
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = "";
    while (!text.endsWith("one") && !text.endsWith("two")) text += String((await once(socket, "data"))[0]);
    return text.slice(-3);
  };
  expect(await ask()).toBe("one");
  front.route(routesTo(second.port));
  expect(await ask()).toBe("two");
  socket.destroy();
});

test("counts the requests of a replica that is on its way out until the last has ended, then lets its connections go", async () => {
  const arrived = Promise.withResolvers<() => void>();
  await using replica = await aReplica((_incoming, response) => arrived.resolve(() => void response.end("done")));
  await using front = await aFront(replica.port);
  const pending = fetch(front.url);
  const finish = await arrived.promise;
  front.route([]);
  expect(front.pool.draining()).toEqual({ "replica-0": 1 });
  finish();
  expect(await (await pending).text()).toBe("done");
  await eventually(() => Object.keys(front.pool.draining()).length === 0);
  // A graceful stop of the app has nothing to wait for.
  await new Promise((resolve) => replica.server.close(resolve));
});

test("passes a WebSocket through and every byte after it", async () => {
  await using replica = await aReplica(
    (_incoming, response) => response.end(),
    (server) =>
      server.on("upgrade", (incoming, socket, head) => {
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${incoming.headers.upgrade}\r\nX-Seen: ${String(incoming.headers["x-forwarded-for"])}\r\n\r\n`,
        );
        socket.write(head);
        socket.pipe(socket);
      }),
  );
  await using front = await aFront(replica.port);
  const socket = connect(front.port, "127.0.0.1");
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
  socket.write("GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await eventually(() => received.includes("\r\n\r\n"));
  expect(received).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
  expect(received).toContain("X-Seen: 127.0.0.1");
  expect(received).toContain("Upgrade: websocket");
  socket.write("hello");
  await eventually(() => received.endsWith("hello"));
  front.route([]);
  expect(front.pool.draining()).toEqual({ "replica-0": 1 });
  socket.end();
  await once(socket, "close");
  await eventually(() => Object.keys(front.pool.draining()).length === 0);
});

test("answers a request that offers HTTP/2 in plain text as HTTP/1.1", async () => {
  await using replica = await aReplica((_incoming, response) => response.end("plain"));
  await using front = await aFront(replica.port);
  const answer = await raw(
    front.port,
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

test("passes on the answer of an app that refuses an upgrade", async () => {
  await using replica = await aReplica(
    (_incoming, response) => response.end(),
    (server) =>
      server.on("upgrade", (_incoming, socket) =>
        socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"),
      ),
  );
  await using front = await aFront(replica.port);
  const answer = await raw(
    front.port,
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n/);
  expect(answer.endsWith("no")).toBe(true);
});

test("counts each request once, by the replica that it went to, with what failed and how long it took (MON)", async () => {
  await using replica = await aReplica((incoming, response) => {
    if (incoming.url === "/fails") response.writeHead(500).end();
    else if (incoming.url === "/breaks-off") {
      response.writeHead(200, { "content-length": "10" }).write("half");
      setTimeout(() => response.destroy(), 5);
    } else if (incoming.url !== "/never") response.end("fine");
  });
  await using front = await aFront(replica.port);
  await fetch(`${front.url}/`);
  await fetch(`${front.url}/fails`);
  await fetch(`${front.url}/breaks-off`)
    .then((response) => response.text())
    .catch(() => undefined);
  await fetch(`${front.url}/never`, { signal: AbortSignal.timeout(50) }).catch(() => undefined);
  front.route([]);
  expect((await fetch(`${front.url}/`)).status).toBe(503);

  await eventually(() => front.counted.length === 5);
  expect(front.counted.map(({ replicaId, requests, errors }) => [replicaId, requests, errors])).toEqual([
    ["replica-0", 1, 0],
    ["replica-0", 1, 1],
    ["replica-0", 1, 1],
    ["replica-0", 1, 0],
    ["", 1, 1],
  ]);
  expect(front.counted.every(({ appId, durationMs }) => appId === "shop-1" && durationMs > 0)).toBe(true);
  expect(front.counted[3]?.durationMs).toBeGreaterThan(20);
});
