import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { HealthClient } from "@drawbridge/contracts/grpc/health/v1/health";
import { createHealth } from "@drawbridge/lifecycle";
import { clientTlsOptions, IdentityHolder } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, type GrpcServerOptions } from "@drawbridge/rpc";
import { createTestCa, createTestLogger, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";

const forever = new AbortController().signal;

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

async function startServer(options: Partial<GrpcServerOptions> = {}) {
  const log = createTestLogger();
  const server = createGrpcServer({
    name: "fabric",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("activation")),
    clientCertificate: "none",
    services: [],
    health: createHealth(),
    logger: log.logger,
    ...options,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  return { server, log, port: server.address().port };
}

function dial(port: number): Socket {
  const socket = connectTcp({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  return socket;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => void socket.once("close", () => resolve()));
}

const oneWay = () => clientTlsOptions({ trustBundle: ca.trustBundle }, { expectedServer: "/cp/activation" });

function healthClient(port: number) {
  const client = createGrpcClient(HealthClient, {
    address: `127.0.0.1:${port}`,
    identity: { tlsOptions: oneWay() },
    expectedServer: "/cp/activation",
    logger: createTestLogger().logger,
  });
  onTestFinished(() => client.stop(AbortSignal.timeout(1_000)));
  return client.call;
}

test("sockets above the handshakes in flight are closed before any cryptography (R14)", async () => {
  const { port, server } = await startServer({ admission: { concurrentHandshakes: 2 } });
  const [first, second] = [dial(port), dial(port)];
  await Promise.all([once(first, "connect"), once(second, "connect")]);
  const third = dial(port);
  await closed(third);
  expect(first.destroyed || second.destroyed).toBe(false);
  expect([...server.connections()]).toEqual([]);
});

test("sockets above the rate are closed before any cryptography (R14)", async () => {
  const { port } = await startServer({ admission: { handshakesPerSecond: 1 } });
  const first = dial(port);
  await once(first, "connect");
  await closed(dial(port));
  expect(first.destroyed).toBe(false);
});

test("with a line to stand in, a herd is served one after the other and nobody is refused (R14)", async () => {
  const { port } = await startServer({ admission: { concurrentHandshakes: 1, waiting: 20 } });
  const herd = Array.from({ length: 20 }, () => connectTls({ host: "127.0.0.1", port, ...oneWay() }));
  onTestFinished(() => herd.forEach((socket) => void socket.destroy()));
  await Promise.all(herd.map((socket) => once(socket, "secureConnect")));
  expect(herd.every((socket) => socket.authorized)).toBe(true);
});

test("sockets that stand in line are closed when the server stops", async () => {
  const { port, server } = await startServer({ admission: { concurrentHandshakes: 1, waiting: 1 } });
  const [first, second] = [dial(port), dial(port)];
  await Promise.all([once(first, "connect"), once(second, "connect")]);
  await closed(dial(port)); // there is room for two: those two were accepted
  const ended = Promise.all([closed(first), closed(second)]);
  await server.stop(AbortSignal.abort());
  await ended;
});

test("a handshake that was given up makes room for the next", async () => {
  const { port } = await startServer({ admission: { concurrentHandshakes: 1 } });
  const first = dial(port);
  await once(first, "connect");
  first.destroy();
  await once(first, "close");
  let admitted = false;
  for (let attempt = 0; attempt < 100 && !admitted; attempt += 1) {
    const socket = connectTls({ host: "127.0.0.1", port, ...oneWay() });
    admitted = await once(socket, "secureConnect").then(
      () => true,
      () => false, // the server has not seen the first one's end yet
    );
    socket.destroy();
  }
  expect(admitted).toBe(true);
});

test("a handshake that takes too long is cut", async () => {
  const { port } = await startServer({ handshakeTimeoutMs: 100 });
  const silent = dial(port);
  await closed(silent);
});

test("TLS 1.2 is refused", async () => {
  const { port } = await startServer();
  const { checkServerIdentity: _unused, ...options } = oneWay();
  const socket = connectTls({ ...options, host: "127.0.0.1", port, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
  const [error] = (await once(socket, "error")) as [Error];
  expect(error).toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
});

test("a session cannot be resumed, so that nobody outlives the end of a certificate that way (R9)", async () => {
  const { port } = await startServer();
  const socket = connectTls({ host: "127.0.0.1", port, ...oneWay() });
  const session = once(socket, "session") as Promise<[Buffer]>;
  await once(socket, "secureConnect");
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
  const [offered] = await session;
  socket.destroy();
  const again = connectTls({ host: "127.0.0.1", port, ...oneWay(), session: offered });
  await once(again, "secureConnect");
  expect(again.isSessionReused()).toBe(false);
  again.destroy();
});

test("a peer without ALPN h2 is not served", async () => {
  const { port, server } = await startServer();
  const { ALPNProtocols: _unused, ...options } = oneWay();
  const socket = connectTls({ host: "127.0.0.1", port, ...options });
  socket.on("error", () => undefined);
  await once(socket, "close");
  expect([...server.connections()]).toEqual([]);
});

test("the health protocol says what /readyz says", async () => {
  const health = createHealth();
  const { port } = await startServer({ health });
  for (const service of ["", "undegraded"]) {
    expect(await healthClient(port).check({ service })).toEqual({ status: 1 });
  }
  health.register("bus", () => "away", "degraded");
  expect(await healthClient(port).check({ service: "" })).toEqual({ status: 1 });
  expect(await healthClient(port).check({ service: "undegraded" })).toEqual({ status: 2 });
  health.register("database", () => "not connected");
  expect(await healthClient(port).check({ service: "" })).toEqual({ status: 2 });
  await expect(healthClient(port).check({ service: "other" })).rejects.toMatchObject({
    code: "HEALTH_SERVICE_UNKNOWN",
  });
});

test("a port that is in use is named in the error", async () => {
  const { port } = await startServer();
  await expect(startServer({ listen: { host: "127.0.0.1", port } })).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "LISTEN_FAILED",
    message: `cannot listen on 127.0.0.1:${port} (EADDRINUSE); is the port in use?`,
  });
});
