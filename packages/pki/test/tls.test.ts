import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { connect, createServer, type ConnectionOptions, type TlsOptions } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import {
  clientTlsOptions,
  generateKeyPair,
  peerIdentity,
  pinnedTlsOptions,
  serverTlsOptions,
  spiffeId,
  spkiPin,
  validateIdentity,
  type IdentitySnapshot,
} from "../src/index.ts";
import { agentSpiffeId, createTestPki, trustDomain } from "./test-pki.ts";

const pki = await createTestPki();
const service = async (name: string) => pki.identity(spiffeId.service({ trustDomain, service: name }));
const server = validateIdentity(await service("runtime-manager"), new Date());
const activation = validateIdentity(await service("activation"), new Date());
const agent = validateIdentity(await pki.identity(agentSpiffeId), new Date());
const expectedServer = "/cp/runtime-manager";

/** A TLS server that answers each client with the peer's name, or with the code of the refusal. */
async function startServer(options: TlsOptions) {
  const tls = createServer(options, (socket) => {
    socket.on("error", () => undefined);
    let answer: string;
    try {
      answer = peerIdentity(socket).spiffeId;
    } catch (error) {
      answer = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    }
    socket.end(answer);
  });
  tls.on("tlsClientError", () => undefined);
  tls.listen(0, "127.0.0.1");
  await once(tls, "listening");
  const address = tls.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      tls.close();
      await once(tls, "close");
    },
  };
}

/** Connect and read to the end. */
async function ask(
  port: number,
  options: ConnectionOptions,
): Promise<{ text: string; sessions: Buffer[]; isResumed: boolean }> {
  const socket = connect({ host: "127.0.0.1", port, ...options });
  const sessions: Buffer[] = [];
  let isResumed = false;
  let text = "";
  socket.on("session", (session) => sessions.push(session));
  socket.on("secureConnect", () => (isResumed = socket.isSessionReused()));
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(socket, "close");
  return { text, sessions, isResumed };
}

/** What a client gets: the answer, or "refused" however the server ended the connection (TLS 1.3 clients learn late). */
async function outcome(port: number, options: ConnectionOptions): Promise<string> {
  return ask(port, options).then(
    ({ text }) => (text === "" ? "refused" : text),
    () => "refused",
  );
}

function mutual(identity: IdentitySnapshot) {
  return clientTlsOptions(identity, { expectedServer });
}

test("both sides know each other by SPIFFE ID, over TLS 1.3 (R1)", async () => {
  await using listener = await startServer(serverTlsOptions(server, { clientCertificate: "required" }));
  expect((await ask(listener.port, mutual(agent))).text).toBe(agentSpiffeId);
});

test("refuses a server that is another service of the same authority", async () => {
  await using listener = await startServer(serverTlsOptions(activation, { clientCertificate: "required" }));
  await expect(ask(listener.port, mutual(agent))).rejects.toMatchObject({ code: "SERVER_IDENTITY_UNEXPECTED" });
});

test("refuses a client without a certificate", async () => {
  await using listener = await startServer(serverTlsOptions(server, { clientCertificate: "required" }));
  const oneWay = clientTlsOptions({ trustBundle: pki.trustBundle }, { expectedServer });
  expect(await outcome(listener.port, oneWay)).toBe("refused");
});

test("refuses a client of another authority, and the client a server of another authority", async () => {
  const other = await createTestPki();
  const stranger = validateIdentity(await other.identity(agentSpiffeId), new Date());
  await using listener = await startServer(serverTlsOptions(server, { clientCertificate: "required" }));
  const options = { ...mutual(stranger), ca: mutual(agent).ca };
  expect(await outcome(listener.port, options)).toBe("refused");
  await expect(ask(listener.port, mutual(stranger))).rejects.toMatchObject({
    code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  });
});

test("one-way TLS: the peer has no identity", async () => {
  await using listener = await startServer(serverTlsOptions(server, { clientCertificate: "none" }));
  const oneWay = clientTlsOptions({ trustBundle: pki.trustBundle }, { expectedServer });
  expect((await ask(listener.port, oneWay)).text).toBe("PEER_CERTIFICATE_MISSING");
});

test("refuses TLS 1.2", async () => {
  await using listener = await startServer(serverTlsOptions(server, { clientCertificate: "none" }));
  const old: ConnectionOptions = { ...mutual(agent), minVersion: "TLSv1.2", maxVersion: "TLSv1.2" };
  await expect(ask(listener.port, old)).rejects.toThrow();
});

test("an expired client certificate is refused, also with a session from before (R26 j)", async () => {
  await using listener = await startServer(serverTlsOptions(server, { clientCertificate: "required" }));
  const now = new Date();
  const shortLived = validateIdentity(await pki.identity(agentSpiffeId, { now, ttlSeconds: 5 }), now);
  const first = await ask(listener.port, mutual(shortLived));
  expect(first.text).toBe(agentSpiffeId);
  const session = first.sessions.at(-1); // OpenSSL still hands out session ids; the server keeps nothing behind them
  const again = await ask(listener.port, { ...mutual(shortLived), ...(session ? { session } : {}) });
  expect(again).toMatchObject({ text: agentSpiffeId, isResumed: false });

  await sleep(shortLived.notAfter.getTime() - Date.now() + 50); // the end of the certificate is real time for OpenSSL
  expect(await outcome(listener.port, mutual(shortLived))).toBe("refused");
  expect(await outcome(listener.port, { ...mutual(shortLived), ...(session ? { session } : {}) })).toBe("refused");
});

test("with tickets on, the same expired client would get in: why they are off (R26 j)", async () => {
  const { secureOptions: _off, ...withTickets } = serverTlsOptions(server, { clientCertificate: "required" });
  await using listener = await startServer(withTickets);
  const now = new Date();
  const shortLived = validateIdentity(await pki.identity(agentSpiffeId, { now, ttlSeconds: 5 }), now);
  const { sessions } = await ask(listener.port, mutual(shortLived));
  const session = sessions.at(-1);
  if (!session) throw new Error("the server gave no session");
  await sleep(shortLived.notAfter.getTime() - Date.now() + 50);
  const resumed = await ask(listener.port, { ...mutual(shortLived), session });
  expect(resumed.isResumed).toBe(true);
});

test("trusts a server by the pin of its root, and then only that root (ACT 1)", async () => {
  await using listener = await startServer(
    serverTlsOptions(activation, { clientCertificate: "none", sendRoots: true }),
  );
  const pins = [spkiPin((await generateKeyPair()).spkiDer), spkiPin(pki.rootKey.spkiDer)];
  const pinned = { host: "127.0.0.1", port: listener.port, pins, expectedServer: "/cp/activation" };
  const trust = await pinnedTlsOptions(pinned, AbortSignal.timeout(5000));
  expect(trust.trustBundle.trustDomain).toBe(trustDomain);
  expect(trust.trustBundle.rootsDer.map((der) => Buffer.from(der))).toEqual([Buffer.from(pki.rootDer)]);
  expect((await ask(listener.port, trust.tlsOptions)).text).toBe("PEER_CERTIFICATE_MISSING");
});

test("refuses a server whose root is not pinned, and one with another name (ACT 1)", async () => {
  await using listener = await startServer(
    serverTlsOptions(activation, { clientCertificate: "none", sendRoots: true }),
  );
  const base = { host: "127.0.0.1", port: listener.port, expectedServer: "/cp/activation" };
  const strange = { ...base, pins: [spkiPin((await generateKeyPair()).spkiDer)] };
  await expect(pinnedTlsOptions(strange, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: "PIN_MISMATCH" });
  const misnamed = { ...base, pins: [spkiPin(pki.rootKey.spkiDer)], expectedServer: "/cp/runtime-manager" };
  await expect(pinnedTlsOptions(misnamed, AbortSignal.timeout(5000))).rejects.toMatchObject({
    code: "SERVER_IDENTITY_UNEXPECTED",
  });
});

test("a server that shows the pinned root but cannot prove it gets nothing (ACT 1)", async () => {
  const impostor = await createTestPki();
  const fake = validateIdentity(
    await impostor.identity(spiffeId.service({ trustDomain, service: "activation" })),
    new Date(),
  );
  // The impostor's own chain, with our root pasted to its end: the public certificate is no secret.
  const options = serverTlsOptions(
    { ...fake, trustBundle: pki.trustBundle },
    { clientCertificate: "none", sendRoots: true },
  );
  await using listener = await startServer(options);
  const pinned = {
    host: "127.0.0.1",
    port: listener.port,
    pins: [spkiPin(pki.rootKey.spkiDer)],
    expectedServer: "/cp/activation",
  };
  const attempt = async () => {
    const trust = await pinnedTlsOptions(pinned, AbortSignal.timeout(5000));
    return ask(listener.port, trust.tlsOptions);
  };
  await expect(attempt()).rejects.toThrow();
});

test("says that a server is unreachable", async () => {
  const tcp = createTcpServer().listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const address = tcp.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  tcp.close();
  await once(tcp, "close");
  const pinned = { host: "127.0.0.1", port: address.port, pins: ["x"], expectedServer: "/cp/activation" };
  await expect(pinnedTlsOptions(pinned, AbortSignal.timeout(5000))).rejects.toMatchObject({
    code: "SERVER_UNREACHABLE",
  });
});
