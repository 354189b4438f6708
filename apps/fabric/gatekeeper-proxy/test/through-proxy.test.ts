import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { zstdCompressSync } from "node:zlib";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { batchHead, BatchBuilder } from "@drawbridge/request-batch";
import { createTestCa } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createIngestClient } from "../src/analytics/sender/ingest-client.ts";
import { startIngest } from "./support/ingest-server.ts";

const login = "fabric:secret";

/** Knows one name, which no resolver does, and wants a login. */
async function startProxy(known: { readonly authority: string; readonly port: number }) {
  const asked: { readonly authority: string | undefined; readonly status: number }[] = [];
  const server = createServer();
  server.on("connect", (request, socket) => {
    const isLogin = request.headers["proxy-authorization"] === `Basic ${Buffer.from(login).toString("base64")}`;
    const status = isLogin && request.url === known.authority ? 200 : 407;
    asked.push({ authority: request.url, status });
    socket.on("error", () => undefined);
    socket.write(`HTTP/1.1 ${status} x\r\n\r\n`);
    if (status !== 200) return void socket.end();
    const through = connect(known.port, "127.0.0.1");
    through.on("error", () => socket.destroy());
    socket.on("close", () => through.destroy());
    socket.pipe(through).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // TCP, after `listening`
  return {
    port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** One request, as the exporter sends it. */
function aBatch(sequence: bigint): Buffer {
  const builder = new BatchBuilder({ capacity: 1, addressKey: new Uint8Array(32) });
  builder.add({
    receivedAtMs: Date.now(),
    instance: {
      api: { apiId: "1", name: "orders", version: "1", environment: "prod", app: "shop", geography: 0 },
      addressDetail: "none",
      isUserAgentTold: false,
    },
    application: "",
    resourcePath: "/orders",
    verb: "GET",
    status: 200,
    disposition: Disposition.DISPOSITION_PROCESSED,
    policy: undefined,
    latencyUs: 1,
    upstreamUs: 0,
    requestBytes: 0,
    responseBytes: 0,
    clientAddress: "127.0.0.1",
    userAgent: "",
    replica: "",
  });
  const body = builder.take()?.body ?? Buffer.alloc(0);
  return zstdCompressSync(Buffer.concat([batchHead({ gatewayId: "gateway-0", epoch: 1n, sequence }, []), body]));
}

async function aWorld() {
  await using setUp = new AsyncDisposableStack();
  const ca = await createTestCa();
  const ingest = setUp.use(await startIngest(await ca.issueService("analytics-ingest")));
  const authority = "analytics.invalid:7450";
  const proxy = setUp.use(await startProxy({ authority, port: Number(new URL(ingest.url).port) }));
  const client = setUp.adopt(createIngestClient(), (each) => each.close());
  client.trust(ca.trustBundle);
  const stack = setUp.move();
  const targetAs = (credentials: string) => ({
    url: `https://${authority}`,
    token: "token-1",
    proxy: { host: "127.0.0.1", port: proxy.port, credentials },
  });
  return { ca, ingest, proxy, client, authority, targetAs, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("requests leave through the proxy that the fabric's owner has set, on one connection and only there (ANA 1)", async () => {
  await using world = await aWorld();
  const target = world.targetAs(login);
  const replies = await Promise.all([1n, 2n, 3n].map((sequence) => world.client.post(target, aBatch(sequence))));
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(world.ingest.requests()).toHaveLength(3);
  expect((await world.client.post(target, aBatch(4n))).status).toBe(200);
  expect(world.proxy.asked).toEqual([{ authority: world.authority, status: 200 }]);
});

test("a proxy that refuses is told by its code, and another login is another way (ANA 1)", async () => {
  await using world = await aWorld();
  await expect(world.client.post(world.targetAs("fabric:wrong"), aBatch(1n))).rejects.toThrow(/^PROXY_REFUSED$/);
  expect((await world.client.post(world.targetAs(login), aBatch(1n))).status).toBe(200);
});

test("behind a proxy only analytics-ingest of the fabric's own authority gets requests, also after its roots changed (ANA 1)", async () => {
  await using world = await aWorld();
  const target = world.targetAs(login);
  expect((await world.client.post(target, aBatch(1n))).status).toBe(200);
  world.client.trust((await createTestCa()).trustBundle);
  await expect(world.client.post(target, aBatch(2n))).rejects.toThrow();
  const underWay = world.client.post(target, aBatch(3n)).catch(() => undefined);
  world.client.trust(world.ca.trustBundle);
  await underWay;
  expect((await world.client.post(target, aBatch(4n))).status).toBe(200);
  expect(world.ingest.arrived).not.toContain("gateway-0 1 2");
});
