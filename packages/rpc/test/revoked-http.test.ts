import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { HealthClient } from "@drawbridge/contracts/grpc/health/v1/health";
import { createHealth, type Clock } from "@drawbridge/lifecycle";
import { clientTlsOptions, IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, createHttpServer } from "@drawbridge/rpc";
import { createTestCa, createTestLogger, FakeClock, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startRevocations } from "./support/revocations.ts";

const forever = new AbortController().signal;
const host = "127.0.0.1";
const agentParts = {
  org: "acme",
  fabricId: "01890000-0000-7000-8000-000000000001",
  agentId: "01890000-0000-7000-8000-000000000002",
};

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

async function* endless() {
  const chunk = Buffer.alloc(64 * 1024);
  for (;;) {
    yield chunk;
    await new Promise(setImmediate);
  }
}

async function setUp(options: { readonly clock?: Clock } = {}) {
  const revocations = await startRevocations();
  onTestFinished(() => revocations.list.stop(AbortSignal.timeout(1_000)));
  const common = {
    listen: { host, port: 0 },
    identity: new IdentityHolder(await ca.issueService("config-resolver")),
    clientCertificate: "required" as const,
    revocations: revocations.list,
    logger: createTestLogger().logger,
    ...options,
  };
  const seen = { requests: 0 };
  const http = createHttpServer({
    ...common,
    name: "bundles",
    allow: [{ fabric: "agent" }],
    register: (app) => {
      app.get("/small", () => {
        seen.requests += 1;
        return { ok: true };
      });
      app.get("/large", (_request, reply) => reply.send(Readable.from(endless())));
    },
  });
  const grpc = createGrpcServer({ ...common, name: "internal", services: [], health: createHealth() });
  await http.start(forever);
  await grpc.start(forever);
  onTestFinished(async () => {
    await http.stop(AbortSignal.abort());
    await grpc.stop(AbortSignal.abort());
  });
  const agent = await ca.issueAgent(agentParts);
  const keepAlive = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => keepAlive.destroy());
  const open = async (path: string) => {
    const request = httpsRequest({ host, port: http.address().port, path, agent: keepAlive, ...tlsOf(agent) });
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return response;
  };
  const get = async (path: string) => {
    const response = await open(path);
    const text = await new Response(Readable.toWeb(response) as ReadableStream).text();
    return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) as unknown };
  };
  return { revocations, http, grpc, agent, seen, open, get };
}

const tlsOf = (identity: IdentitySnapshot, alpn = "http/1.1") =>
  clientTlsOptions(identity, { expectedServer: "/cp/config-resolver", alpnProtocols: [alpn] });
const refusal = {
  status: 403,
  headers: { connection: "close" },
  body: { code: "CERTIFICATE_REVOKED", details: { reason: "key leaked" } },
};

test("a revoked peer is told why, reaches no handler, and its connection ends (REN 6)", async () => {
  const { revocations, agent, seen, get, http } = await setUp();
  await revocations.revoke(agent);
  expect(await get("/small")).toMatchObject(refusal);
  expect(seen.requests).toBe(0);
  await Promise.all([...http.connections()].map(({ closed }) => closed));
});

test("a connection that is kept open is cut when its certificate is revoked, the next one is refused", async () => {
  const { revocations, agent, seen, get, http } = await setUp();
  expect(await get("/small")).toMatchObject({ status: 200 });
  const [connection] = [...http.connections()];
  await revocations.revoke(agent);
  await connection?.closed;
  expect(await get("/small")).toMatchObject(refusal);
  expect(seen.requests).toBe(1);
});

test("a peer that is revoked and says nothing is cut within a second", async () => {
  const clock = new FakeClock();
  const { revocations, agent, http } = await setUp({ clock });
  await revocations.revoke(agent);
  const socket = connectTls({ host, port: http.address().port, ...tlsOf(agent) });
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  let connection = [...http.connections()][0];
  while (!connection) {
    await new Promise(setImmediate);
    [connection] = [...http.connections()];
  }
  clock.advance(1_000);
  await connection.closed;
});

test("a download is cut in the middle when its certificate is revoked (REN 6)", async () => {
  const { revocations, agent, open } = await setUp();
  const download = await open("/large");
  await once(download, "data");
  download.resume();
  const cut = once(download, "error") as Promise<[Error]>;
  await revocations.revoke(agent);
  expect((await cut)[0]).toMatchObject({ code: "ECONNRESET" });
});

test("a download is cut within a minute of the end of its certificate (R9)", async () => {
  const clock = new FakeClock();
  const { agent, open } = await setUp({ clock });
  const download = await open("/large");
  download.resume();
  const cut = once(download, "error");
  clock.jumpTo(agent.notAfter);
  clock.advance(60_000);
  await cut;
});

/** Connects, keeps the session if one is offered, hangs up. */
async function keepSession(port: number, tls: ReturnType<typeof tlsOf>): Promise<Buffer | undefined> {
  const socket = connectTls({ host, port, ...tls });
  let session: Buffer | undefined;
  socket.on("session", (offered: Buffer) => void (session = offered));
  socket.on("error", () => undefined);
  await once(socket, "secureConnect");
  // Tickets come with the first bytes of the server; h2 sends its settings, HTTP/1.1 answers.
  if (socket.alpnProtocol === "http/1.1") socket.write("GET /small HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  else socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
  await once(socket, "data");
  socket.destroy();
  return session;
}

test.each(["http/1.1", "h2"])(
  "a TLS session that was kept is no way past a revocation (%s; R9, R26 j)",
  async (protocol) => {
    const { revocations, agent, http, grpc } = await setUp();
    const port = protocol === "h2" ? grpc.address().port : http.address().port;
    const tls = tlsOf(agent, protocol);
    const session = await keepSession(port, tls);
    await revocations.revoke(agent);
    const again = connectTls({ host, port, ...tls, ...(session ? { session } : {}) });
    await once(again, "secureConnect");
    expect(again.isSessionReused()).toBe(false);
    again.destroy();
  },
);

test.each(["http/1.1", "h2"])(
  "a TLS session that was kept is no way past the end of a certificate (%s; R9, R26 j)",
  async (protocol) => {
    const { http, grpc } = await setUp();
    const port = protocol === "h2" ? grpc.address().port : http.address().port;
    const shortLived = await ca.issueAgent(agentParts, { now: new Date(), ttlSeconds: 3 });
    const tls = tlsOf(shortLived, protocol);
    const session = await keepSession(port, tls);
    // OpenSSL reads time(2), which is behind the finer clock by up to a tick of the kernel.
    while (Date.now() <= shortLived.notAfter.getTime() + 100) await new Promise((resolve) => setTimeout(resolve, 50));
    const again = connectTls({ host, port, ...tls, ...(session ? { session } : {}) });
    // TLS 1.3: the client is done before the server has looked at its certificate.
    again.on("error", () => undefined);
    let answered = "";
    again.on("data", (bytes: Buffer) => void (answered += bytes.toString("latin1")));
    again.write("GET /small HTTP/1.1\r\nhost: x\r\n\r\n");
    await once(again, "close");
    expect(answered).toBe("");
    expect([...http.connections(), ...grpc.connections()]).toEqual([]);
  },
);

test("the health method, which anyone may call, is refused as well", async () => {
  const { revocations, grpc } = await setUp();
  const service = await ca.issueService("management-api");
  const client = createGrpcClient(HealthClient, {
    address: `${host}:${grpc.address().port}`,
    identity: new IdentityHolder(service),
    expectedServer: "/cp/config-resolver",
    logger: createTestLogger().logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  expect(await client.call.check({ service: "" })).toEqual({ status: 1 });
  await revocations.revoke(service);
  await expect(client.call.check({ service: "" }, { idempotent: true })).rejects.toMatchObject({
    code: "CERTIFICATE_REVOKED",
  });
});
