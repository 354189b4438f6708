import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer as createH2cServer, connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect } from "node:tls";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createServerCertificate, createTestCa, freePort, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, test } from "vitest";
import { buildTree, signTree, stamp } from "./support/api-tree.ts";
import { startGateway, until, type GatewayProcess } from "./support/gateway-process.ts";
import { startScriptedAgent } from "./support/scripted-agent.ts";
import { anApi, TestFabric, type TestApp } from "./support/test-app.ts";

const fabricId = "0198c0de-0000-7000-8000-000000000001";
const host = "api.example.com";
let ca: TestCa;
let signer: IdentitySnapshot;

beforeAll(async () => {
  ca = await createTestCa();
  signer = await ca.issueService("api-manager");
});

/** A fabric with both shared ports open, and a certificate for the host. */
async function openFabric(folder: string) {
  const certificates = join(folder, "certificates");
  const fabric = new TestFabric(folder);
  const [http, https] = [await freePort(), await freePort()];
  fabric.shared = {
    http: { address: "127.0.0.1", port: http },
    https: {
      address: "127.0.0.1",
      port: https,
      certificatesDirectory: certificates,
      defaultCertificate: undefined,
    },
  };
  await putPair(certificates, "api", await createServerCertificate([host]));
  return { fabric, certificates, http, https };
}

async function putPair(
  folder: string,
  name: string,
  pair: { readonly certificatePem: string; readonly privateKeyPem: string },
): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, "tls.crt"), pair.certificatePem);
  await writeFile(join(folder, name, "tls.key"), pair.privateKeyPem, { mode: 0o600 });
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly origin: string | undefined;
}

async function overHttp2(session: ClientHttp2Session, path: string, authority = host): Promise<Answer> {
  const stream = session.request({ ":authority": authority, ":path": path });
  const head: Record<string, unknown> = {};
  stream.on("response", (fields) => Object.assign(head, fields));
  const body = await text(stream);
  return { status: Number(head[":status"]), body, origin: head["x-gateway-origin"] as string | undefined };
}

/** Connects again while nobody listens yet. */
async function openHttp2(port: number, servername = host): Promise<ClientHttp2Session> {
  for (;;) {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { servername, rejectUnauthorized: false });
    session.on("error", () => undefined);
    const opened = await once(session, "connect").then(
      () => true,
      () => false,
    );
    if (opened) return session;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** SANs of the certificate, or the code of what went wrong. */
function shownNames(port: number, servername: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false });
    socket.once("secureConnect", () => {
      resolve(socket.getPeerCertificate().subjectaltname ?? "");
      socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.once("close", () => resolve("closed"));
  });
}

async function deployUntracked(fabric: TestFabric, name: string, path = "/"): Promise<TestApp> {
  const app = await fabric.addApp(name);
  fabric.hosts.set(name, [{ host, path }]);
  await app.deploy({ key: name, level: "strict", apis: [] });
  return app;
}

const readiness = async (gateway: GatewayProcess): Promise<string> => (await gateway.admin("/readyz")).text();

test("the gate holds on shared ports, at HTTP/1.1 and HTTP/2, and nobody else's path is held up (GK 1, GK 2)", async () => {
  await using folder = await tempDir();
  const { fabric, http, https } = await openFabric(folder.path);
  await using stage = fabric;
  const tracked = await stage.addApp("orders");
  stage.hosts.set("orders", [{ host, path: "/orders" }]);
  await tracked.deploy({ key: "one", level: "strict", apis: [anApi("orders")] });
  const untracked = await deployUntracked(stage, "site");
  stage.writeRoutes();
  await using agent = await startScriptedAgent({ socketPath: stage.feedSocket, trustBundle: ca.trustBundle });
  await using gateway = await startGateway({ directory: stage.directory, fabricId });
  const session = await openHttp2(https);
  const plain = async (path: string): Promise<Answer> => {
    const { status, body } = await askPlain(http, path);
    return { status, body, origin: undefined };
  };
  await until(async () => (await overHttp2(session, "/")).status === 200);
  await until(async () => (await plain("/").catch(() => undefined))?.status === 200); // another port, opened on its own
  for (const path of ["/orders", "/orders/1", "/%6Frders/1"]) {
    expect(await overHttp2(session, path)).toMatchObject({ status: 503, origin: "gatekeeper" });
    expect(await plain(path)).toMatchObject({ status: 503 });
  }
  expect(tracked.arrived).toEqual([]);
  expect((await plain("/ordersx")).body).toBe("answer of site");

  agent.announce(
    await signTree(
      buildTree([
        {
          environment: "production",
          name: "orders",
          version: "1.0.0",
          document: { revision: 1, policies: [stamp("first")] },
        },
      ]),
      { signer, fabricId, revision: 1 },
    ),
  );
  // Of all threads: its connection chooses one.
  await until(async () => (await gateway.gate("orders"))?.state === "live");
  expect((await overHttp2(session, "/orders/1")).status).toBe(200);
  expect((await plain("/orders/2")).body).toBe("answer of one");
  expect(tracked.arrived.map(({ path, set }) => `${path} ${set}`)).toEqual(["/orders/1 first", "/orders/2 first"]);
  expect(untracked.arrived.map(({ path }) => path)).toContain("/ordersx");

  // Another host for it: its gate stays open, and requests go on at the old host until it is gone.
  stage.hosts.set("orders", [
    { host, path: "/orders" },
    { host: "*.other.example", path: "/" },
  ]);
  stage.writeRoutes();
  await until(async () => (await askPlain(http, "/orders/3", "x.other.example")).status === 200);
  expect((await gateway.gate("orders"))?.state).toBe("live");
  expect(tracked.arrived.at(-1)).toMatchObject({ path: "/orders/3", set: "first" });
  session.close();
});

async function askPlain(port: number, path: string, name = host): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, path, headers: { host: name }, agent: false }, (incoming) => {
      text(incoming).then((body) => resolve({ status: incoming.statusCode ?? 0, body }), reject);
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

test("certificates on the disk are followed: a good one is taken without a drop, a bad one never", async () => {
  await using folder = await tempDir();
  const { fabric, certificates, https } = await openFabric(folder.path);
  await using stage = fabric;
  await deployUntracked(stage, "site");
  stage.writeRoutes();
  await using gateway = await startGateway({ directory: stage.directory, fabricId });
  const session = await openHttp2(https);
  let drops = 0;
  session.on("close", () => (drops += 1));
  await until(async () => (await overHttp2(session, "/")).status === 200);

  await putPair(certificates, "api", await createServerCertificate([host, "two.example.com"]));
  await until(async () => (await shownNames(https, "two.example.com")) === `DNS:${host}, DNS:two.example.com`);

  const good = await createServerCertificate([host]);
  const mismatched = {
    certificatePem: good.certificatePem,
    privateKeyPem: (await createServerCertificate([host])).privateKeyPem,
  };
  const expired = await createServerCertificate([host], { notBefore: new Date(0), notAfter: new Date(1_000_000) });
  for (const [pair, sentence] of [
    [{ certificatePem: "no PEM", privateKeyPem: good.privateKeyPem }, "tls.crt is no certificate"],
    [mismatched, "tls.key is not the key"],
    [expired, "has expired on 1970-01-01"],
  ] as const) {
    await putPair(certificates, "api", pair);
    await until(async () => (await readiness(gateway)).includes(sentence));
    expect((await gateway.admin("/readyz")).status).toBe(200);
    expect(await shownNames(https, "two.example.com"), sentence).toBe(`DNS:${host}, DNS:two.example.com`);
  }
  expect(gateway.log()).not.toContain("PRIVATE KEY");

  await putPair(certificates, "api", good);
  await until(async () => (await shownNames(https, host)) === `DNS:${host}`);
  await until(async () => (await readiness(gateway)).includes('"certificates":"ok"'));
  await putPair(certificates, "more", await createServerCertificate(["*.more.example"]));
  await until(async () => (await shownNames(https, "a.more.example")) === "DNS:*.more.example");
  await rm(join(certificates, "more"), { recursive: true });
  await until(async () => (await shownNames(https, "a.more.example")) === "ERR_SSL_TLSV1_UNRECOGNIZED_NAME");
  expect((await overHttp2(session, "/")).status).toBe(200);
  expect(drops).toBe(0);
  session.close();
});

test("gRPC passes from HTTP/2 over TLS to a replica of h2c, with its trailers", async () => {
  await using folder = await tempDir();
  const { fabric, https } = await openFabric(folder.path);
  await using stage = fabric;
  const server = createH2cServer((request, response) => {
    response.writeHead(200, { "content-type": "application/grpc" });
    response.addTrailers({
      "grpc-status": "0",
      "x-seen": `${request.method} ${request.url} ${String(request.headers.te)}`,
    });
    request.pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const app = await stage.addApp("echo");
  stage.hosts.set("echo", [{ host, path: "/test.Echo" }]);
  const { port } = server.address() as AddressInfo; // a TCP server
  await app.deploy({ key: "echo", level: "strict", apis: [], replica: { port, protocol: "h2c" } });
  stage.writeRoutes();
  await using _gateway = await startGateway({ directory: stage.directory, fabricId });
  const session = await openHttp2(https);
  const call = async (): Promise<{ body: string; trailers: Record<string, unknown> }> => {
    const stream = session.request({
      ":method": "POST",
      ":authority": host,
      ":path": "/test.Echo/Say",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const trailers: Record<string, unknown> = {};
    stream.on("trailers", (fields) => Object.assign(trailers, fields));
    stream.end("\0\0\0\0\x05hello");
    return { body: await text(stream), trailers };
  };
  await until(async () => (await call()).trailers["grpc-status"] === "0");
  expect(await call()).toMatchObject({
    body: "\0\0\0\0\x05hello",
    trailers: { "x-seen": "POST /test.Echo/Say trailers" },
  });
  session.close();
  server.close();
});

test("a shared port that somebody else has is told and taken once it is free; apps' own ports are not touched", async () => {
  await using folder = await tempDir();
  const { fabric, http } = await openFabric(folder.path);
  await using stage = fabric;
  const holder = createServer().listen(http, "127.0.0.1");
  await once(holder, "listening");
  const app = await deployUntracked(stage, "site");
  stage.writeRoutes();
  await using gateway = await startGateway({ directory: stage.directory, fabricId });
  await until(async () => (await readiness(gateway)).includes(`127.0.0.1:${http} cannot be listened on (EADDRINUSE)`));
  await until(async () => (await fetch(app.url).catch(() => undefined))?.status === 200);
  holder.close();
  await until(async () => (await askPlain(http, "/").catch(() => undefined))?.status === 200);
  await until(async () => (await readiness(gateway)).includes('"shared ports":"ok"'));

  // The operator takes it back.
  stage.shared = undefined;
  stage.writeRoutes();
  await until(async () => (await askPlain(http, "/").catch(() => undefined)) === undefined);
  expect((await fetch(app.url)).status).toBe(200);
});
