import "reflect-metadata";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import tls from "node:tls";
import { setTimeout as pause } from "node:timers/promises";
import { connectBus, type Bus } from "@drawbridge/bus";
import { findNatsServer, freePort, natsGreets } from "@drawbridge/local";
import { createTestLogger, startTestNats, tempDir, type TempDir } from "@drawbridge/testkit";
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from "@peculiar/x509";
import { afterAll, beforeAll, expect, test } from "vitest";

const { logger, records } = createTestLogger();
const server = await findNatsServer();
/** A server in Docker cannot be given our files. */
const rule = test.skipIf(server.kind !== "binary");
const credentials = "drawbridge:a-password-nobody-else-has";
const machineCertificates = tls.getCACertificates("default");
let folder: TempDir;
let nats: ChildProcess | undefined;
let port: number;
let caPem: string;

const pem = async (key: CryptoKey): Promise<string> => {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
};

/** A CA that this machine does not know, and the server's certificate for localhost. */
async function certificates(): Promise<{ readonly ca: X509Certificate; readonly cert: string; readonly key: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const [caKeys, keys] = await Promise.all([
    crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]),
    crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]),
  ]);
  const ca = await X509CertificateGenerator.createSelfSigned({
    name: "CN=private CA",
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, 0, true)],
  });
  const leaf = await X509CertificateGenerator.create({
    subject: "CN=nats",
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: "localhost" }])],
  });
  return { ca, cert: leaf.toString("pem"), key: await pem(keys.privateKey) };
}

beforeAll(async () => {
  if (server.kind !== "binary") return;
  folder = await tempDir();
  const { ca, cert, key } = await certificates();
  caPem = ca.toString("pem");
  port = await freePort();
  const [user, password] = credentials.split(":");
  await writeFile(join(folder.path, "tls.crt"), cert);
  await writeFile(join(folder.path, "tls.key"), key, { mode: 0o600 });
  await writeFile(
    join(folder.path, "nats.conf"),
    `host: "127.0.0.1"
port: ${port}
jetstream { store_dir: "${folder.path}/jetstream" }
tls { cert_file: "${folder.path}/tls.crt", key_file: "${folder.path}/tls.key" }
authorization { users: [ { user: "${user}", password: "${password}" } ] }
`,
  );
  nats = spawn(server.command, ["-c", join(folder.path, "nats.conf")], { stdio: "ignore" });
  while (!(await natsGreets({ host: "127.0.0.1", port }))) await pause(50);
});
afterAll(async () => {
  tls.setDefaultCACertificates(machineCertificates);
  if (nats === undefined) return;
  const ended = once(nats, "exit");
  nats.kill("SIGTERM");
  await ended;
  await folder[Symbol.asyncDispose]();
});

/** Starts, or is refused once and given up. */
async function attempt(url: string): Promise<{ readonly bus: Bus; readonly refused: string | undefined }> {
  const bus = connectBus({ url, credentials, name: "one", logger });
  const givingUp = new AbortController();
  const before = records.length;
  const started = bus.start(givingUp.signal).then(
    () => true,
    () => false,
  );
  while (!records.slice(before).some(({ msg }) => /^message bus (connected|does not answer)/.test(msg)))
    await pause(20);
  const record = records.slice(before).find(({ msg }) => msg.startsWith("message bus does not answer"));
  if (record === undefined) await started;
  else givingUp.abort();
  await started;
  return { bus, refused: record === undefined ? undefined : JSON.stringify(record) };
}

rule("refuses a server whose certificate no known CA has signed", async () => {
  const { bus, refused } = await attempt(`tls://localhost:${port}`);
  expect(refused).toMatch(/certificate|BUS_/);
  expect(bus.serverVersion).toBeUndefined();
});

rule(
  "refuses a server without TLS where the URL asks for it, instead of saying the password in the clear",
  async () => {
    await using plain = await startTestNats();
    const { bus, refused } = await attempt(plain.url.replace("nats://127.0.0.1", "tls://localhost"));
    expect(refused).toBeDefined();
    expect(bus.serverVersion).toBeUndefined();
  },
);

rule("talks over TLS to a server of a private CA that the process was told to trust", async () => {
  tls.setDefaultCACertificates([...machineCertificates, caPem]); // what NODE_EXTRA_CA_CERTS does from outside
  const { bus, refused } = await attempt(`tls://localhost:${port}`);
  expect(refused).toBeUndefined();
  const answering = bus.respond("tls.echo", ({ data }) => Promise.resolve(data));
  await answering.ready;
  const answer = await bus.request("tls.echo", Buffer.from("over TLS"), { timeoutMs: 5_000 });
  expect(Buffer.from(answer).toString()).toBe("over TLS");
  await answering.close();
  await bus.stop(AbortSignal.timeout(5_000));
});
