import { once } from "node:events";
import { createServer } from "node:http";
import { connect as connectHttp2, type ClientHttp2Session, type IncomingHttpHeaders } from "node:http2";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { createServerCertificate, freePort } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CertificatesByName, Change, SharedRoute } from "../src/workers/protocol.ts";
import { aListener, anApp, startWorker, type WorkerThread } from "./support/worker-thread.ts";

let worker: WorkerThread;
let port: number;
let plainPort: number;
let tls: CertificatesByName;

const routes: readonly SharedRoute[] = [
  { host: "api.example.com", pathPrefix: "/orders", appId: "orders" },
  { host: "*.shop.example", pathPrefix: "/", appId: "shop" },
];
const named = async (...names: string[]): Promise<CertificatesByName["certificates"][number]> => {
  const { certificatePem, privateKeyPem } = await createServerCertificate(names);
  return { names, certificateChainPem: certificatePem, privateKeyPem };
};
const shared = (change: Partial<Parameters<typeof aListener>[1]> = {}): Change => ({
  change: "listener_set",
  listener: aListener(port, { target: { kind: "shared", routes }, tls, ...change }),
});

const upstream = createServer((incoming, response) => {
  text(incoming).then(
    (body) => response.end(`${incoming.headers.host} ${incoming.url} ${body}`),
    () => undefined,
  );
});

beforeAll(async () => {
  upstream.listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const replica = { address: "127.0.0.1", port: (upstream.address() as AddressInfo).port }; // a TCP server
  [port, plainPort] = [await freePort(), await freePort()];
  tls = { certificates: [await named("api.example.com"), await named("*.shop.example")], fallback: undefined };
  worker = await startWorker({ settings: { shedDelayMs: 60_000 } });
  await worker.apply(
    { change: "app_set", app: anApp({ appId: "orders", replicas: [{ replicaId: "r1", ...replica }] }) },
    { change: "app_set", app: anApp({ appId: "shop", replicas: [{ replicaId: "r2", ...replica }] }) },
    shared(),
    { change: "listener_set", listener: aListener(plainPort, { target: { kind: "shared", routes } }) },
  );
});

afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  upstream.closeAllConnections();
  upstream.close();
});

/** The SANs that are shown to whoever asks for the name, or why there is no connection. */
function handshake(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    socket.once("secureConnect", () => {
      resolve(`${socket.getPeerCertificate().subjectaltname} ${socket.getProtocol()} ${socket.alpnProtocol}`);
      socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
}

const h2 = { ALPNProtocols: ["h2", "http/1.1"] };

test.each<[ConnectionOptions, string]>([
  [{ servername: "api.example.com", ...h2 }, "DNS:api.example.com TLSv1.3 h2"],
  [{ servername: "API.Example.com", maxVersion: "TLSv1.2", ...h2 }, "DNS:api.example.com TLSv1.2 h2"],
  [{ servername: "x.shop.example", ALPNProtocols: ["http/1.1"] }, "DNS:*.shop.example TLSv1.3 http/1.1"],
  [{ servername: "a.x.shop.example" }, "ERR_SSL_TLSV1_UNRECOGNIZED_NAME"],
  [{ servername: "shop.example" }, "ERR_SSL_TLSV1_UNRECOGNIZED_NAME"],
  [{ servername: "other.example", maxVersion: "TLSv1.2" }, "ERR_SSL_TLSV1_UNRECOGNIZED_NAME"],
  [{}, "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE"],
  [
    { servername: "api.example.com", minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
    "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
  ],
  [
    { servername: "api.example.com", maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-SHA256" },
    "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE",
  ],
])("the name in the handshake chooses the certificate, and without one there is none: %o", async (options, shown) => {
  expect(await handshake(options)).toBe(shown);
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

function ask(options: { readonly servername?: string; readonly host: string; readonly path: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { host, path, servername = host } = options;
    const about = { host: "127.0.0.1", port, servername, path, headers: { host }, rejectUnauthorized: false };
    const outgoing = request({ ...about, agent: false }, (incoming) => {
      text(incoming).then((body) => resolve({ status: incoming.statusCode ?? 0, body }), reject);
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

test.each([
  ["api.example.com", "/orders/1", 200, "api.example.com /orders/1 "],
  ["api.example.com:8443", "/orders", 200, "api.example.com:8443 /orders "],
  ["x.shop.example", "/anything?a=1", 200, "x.shop.example /anything?a=1 "],
  ["api.example.com", "/other", 404, "ROUTE_NOT_FOUND"],
  ["api.example.com", "/%6Frders/%7e", 200, "api.example.com /orders/~ "],
  ["api.example.com", "/x/../orders/1", 200, "api.example.com /orders/1 "],
])("%s%s is %d at a port that apps share", async (host, path, status, body) => {
  const answer = await ask({ host, path, servername: host.replace(/:.*/, "") });
  expect(answer.status).toBe(status);
  expect(answer.body).toContain(body);
});

test("without TLS an unknown host is 404, as problem+json", async () => {
  const response = await fetch(`http://127.0.0.1:${plainPort}/orders`);
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
});

test("a request for another host than the handshake's is 421, also where the certificate would do (RFC 9110 15.5.20)", async () => {
  expect(await ask({ servername: "api.example.com", host: "x.shop.example", path: "/" })).toMatchObject({
    status: 421,
    body: expect.stringContaining("REQUEST_MISDIRECTED") as string,
  });
  expect((await ask({ servername: "x.shop.example", host: "y.shop.example", path: "/" })).status).toBe(421);
});

function openHttp2(servername: string): ClientHttp2Session {
  return connectHttp2(`https://127.0.0.1:${port}`, { servername, rejectUnauthorized: false });
}

async function over(session: ClientHttp2Session, authority: string, path: string): Promise<Answer> {
  const stream = session.request({ ":authority": authority, ":path": path });
  const [[head], body] = await Promise.all([
    once(stream, "response") as Promise<[IncomingHttpHeaders & { ":status"?: number }]>, // what the event carries
    text(stream),
  ]);
  return { status: head[":status"] ?? 0, body };
}

test("on one HTTP/2 connection each stream is judged by itself: 200, 404 and 421", async () => {
  const session = openHttp2("api.example.com");
  const answers = await Promise.all([
    over(session, "api.example.com", "/orders"),
    over(session, "api.example.com", "/"),
    over(session, "x.shop.example", "/"),
    over(session, `api.example.com:${port}`, "/orders/2"),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([200, 404, 421, 200]);
  session.close();
});

test("another certificate and other routes take force for connections that are open, and none is dropped", async () => {
  const session = openHttp2("api.example.com");
  let isClosed = false;
  session.on("close", () => (isClosed = true));
  const before = await over(session, "api.example.com", "/orders");
  const certificates = [await named("api.example.com", "new.example.com"), ...tls.certificates.slice(1)];
  const moved = routes.map(({ host, appId }) => ({ host, appId, pathPrefix: "/" }));
  await worker.apply(shared({ tls: { ...tls, certificates }, target: { kind: "shared", routes: moved } }));
  expect(await handshake({ servername: "new.example.com" })).toContain("DNS:new.example.com");
  const after = await over(session, "api.example.com", "/elsewhere");
  expect([before.status, after.status, isClosed]).toEqual([200, 200, false]);
  await worker.apply(shared());
  expect(await handshake({ servername: "new.example.com" })).toBe("ERR_SSL_TLSV1_UNRECOGNIZED_NAME");
  expect((await over(session, "api.example.com", "/elsewhere")).status).toBe(404);
  session.close();
});

test("a fallback is for names that no certificate has, and for clients that name none", async () => {
  await worker.apply(shared({ tls: { ...tls, fallback: await named("fallback.example") } }));
  expect(await handshake({ servername: "other.example" })).toContain("DNS:fallback.example");
  expect(await handshake({})).toContain("DNS:fallback.example");
  expect(await handshake({ servername: "x.shop.example" })).toContain("DNS:*.shop.example");
  await worker.apply(shared());
  expect(await handshake({ servername: "other.example" })).toBe("ERR_SSL_TLSV1_UNRECOGNIZED_NAME");
});
