import { once } from "node:events";
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { clientTlsOptions, IdentityHolder } from "@drawbridge/pki";
import {
  createGrpcServer,
  createHttpServer,
  httpContext,
  type Connection,
  type GrpcServerOptions,
  type HttpServerOptions,
} from "@drawbridge/rpc";
import { createTestCa, createTestLogger, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";

const forever = new AbortController().signal;
const proxyAt = (proxy: string) => ({ includes: (address: string) => address === proxy });
const line = "PROXY TCP4 192.0.2.7 198.51.100.1 12345 443\r\n";
const binary = Buffer.from(
  `0d0a0d0a000d0a515549540a21210024${"20010db8".padEnd(31, "0")}1${"0".repeat(32)}00010002`,
  "hex",
);

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

async function startServer(proxy: string, options: Partial<GrpcServerOptions> = {}) {
  const log = createTestLogger();
  const seen = Promise.withResolvers<Connection>();
  const server = createGrpcServer({
    name: "fabric",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("activation")),
    clientCertificate: "none",
    proxyProtocolFrom: proxyAt(proxy),
    services: [],
    logger: log.logger,
    onConnection: seen.resolve,
    ...options,
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  return { server, log, port: server.address().port, connection: seen.promise };
}

async function dial(port: number): Promise<Socket> {
  const socket = connectTcp({ host: "127.0.0.1", port, noDelay: true });
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** TLS on a connection whose header was sent, as a client behind a proxy has it. */
function secure(socket: Socket, alpn = "h2"): TLSSocket {
  const options = clientTlsOptions({ trustBundle: ca.trustBundle }, { expectedServer: "/cp/activation" });
  const over = connectTls({ ...options, socket, ALPNProtocols: [alpn] });
  over.on("error", () => undefined);
  return over;
}

const closed = (socket: Socket): Promise<void> => new Promise((resolve) => void socket.once("close", () => resolve()));

/** The first bytes of a TLS client, without sending them. */
async function clientHello(): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // TCP, so never a path
  const client = connectTls({ host: "127.0.0.1", port, ALPNProtocols: ["h2"], rejectUnauthorized: false });
  client.on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  server.close();
  return bytes;
}

test.each([
  ["version 1", Buffer.from(line), "192.0.2.7"],
  ["version 2", binary, "2001:db8::1"],
  ["the proxy for itself", Buffer.from("PROXY UNKNOWN\r\n"), "127.0.0.1"],
])(
  "behind a proxy the client's address is the announced one, under real TLS: %s (R14)",
  async (_name, header, address) => {
    const { port, connection } = await startServer("127.0.0.1");
    const socket = await dial(port);
    socket.write(header);
    const over = secure(socket);
    await once(over, "secureConnect");
    expect(over.authorized).toBe(true);
    expect((await connection).remoteAddress).toBe(address);
  },
);

test("a header that comes byte by byte is read, and so is what came in the same packet (R14)", async () => {
  const { port, connection } = await startServer("127.0.0.1");
  const socket = await dial(port);
  for (const byte of Buffer.from(line).subarray(0, -1)) {
    await new Promise<void>((resolve) => void socket.write(Buffer.of(byte), () => resolve()));
  }
  const whole = await dial(port);
  const hello = await clientHello();
  whole.write(Buffer.concat([Buffer.from(line), hello]));
  const [answer] = (await once(whole, "data")) as [Buffer];
  expect(answer[0]).toBe(0x16); // a TLS handshake record: the hello was read
  socket.write("\n");
  await once(secure(socket), "secureConnect");
  expect((await connection).remoteAddress).toBe("192.0.2.7");
});

test("a client of HTTP over TLS behind a proxy is seen under its own address (R14)", async () => {
  const options: HttpServerOptions = {
    name: "api",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("activation")),
    clientCertificate: "none",
    allow: ["anyone"],
    proxyProtocolFrom: proxyAt("127.0.0.1"),
    register: (app) => void app.get("/", (request) => ({ address: httpContext(request).remoteAddress })),
    logger: createTestLogger().logger,
  };
  const server = createHttpServer(options);
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  const socket = await dial(server.address().port);
  socket.write(line);
  const over = secure(socket, "http/1.1");
  over.write("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  const chunks: Buffer[] = [];
  for await (const chunk of over) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toContain('{"address":"192.0.2.7"}');
});

test("a proxy without a header gets no handshake, and is counted and named (R14)", async () => {
  const { port, server, log } = await startServer("127.0.0.1");
  const socket = await dial(port);
  const over = secure(socket);
  await closed(over);
  expect(over.authorized).toBe(false);
  expect([...server.connections()]).toEqual([]);
  expect(log.records.find(({ msg }) => msg.includes("no valid PROXY header"))).toMatchObject({
    reason: "it does not begin with a PROXY header",
  });
});

test("a proxy that keeps its header back is cut off in time and makes room (R14)", async () => {
  const { port, log } = await startServer("127.0.0.1", {
    handshakeTimeoutMs: 200,
    admission: { concurrentHandshakes: 1, waiting: 1 },
  });
  const slow = await dial(port);
  slow.write("PROXY TCP4 192.0.2.7");
  const next = await dial(port);
  await closed(slow);
  expect(log.records.some(({ reason }) => reason === "no PROXY header in time")).toBe(true);
  next.write(line);
  await once(secure(next), "secureConnect");
});

test("a header from an address that is no proxy's is refused (R14)", async () => {
  const { port, server } = await startServer("10.0.0.1");
  for (const header of [Buffer.from(line), binary]) {
    const socket = await dial(port);
    socket.write(header);
    await closed(secure(socket));
  }
  expect([...server.connections()]).toEqual([]);
});

test("whoever is no proxy needs no header, and its own address counts (R14)", async () => {
  const { port, connection } = await startServer("10.0.0.1");
  await once(secure(await dial(port)), "secureConnect");
  expect((await connection).remoteAddress).toBe("127.0.0.1");
});

test("a second header is no address but a broken handshake (R14)", async () => {
  const { port, server } = await startServer("127.0.0.1");
  const socket = await dial(port);
  socket.write(`${line}PROXY TCP4 203.0.113.9 198.51.100.1 1 2\r\n`);
  await closed(secure(socket));
  expect([...server.connections()]).toEqual([]);
});

test("a balancer that only looks whether the port is open is no refusal (R14)", async () => {
  const { port, log } = await startServer("127.0.0.1");
  const socket = await dial(port);
  socket.end();
  socket.resume();
  await closed(socket);
  expect(log.records.filter(({ msg }) => msg.includes("PROXY"))).toEqual([]);
});

test("the server stops while a header is awaited (R14)", async () => {
  const { port, server } = await startServer("127.0.0.1");
  const socket = await dial(port);
  socket.write("PROXY ");
  const gone = closed(socket);
  await server.stop(AbortSignal.abort());
  await gone;
});
