import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import {
  createIssuingCertificate,
  createRootCertificate,
  generateKeyPair,
  parseKeyEncryptionKeys,
  parseTrustBundleJson,
} from "@drawbridge/pki";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { createHash, X509Certificate as NodeX509 } from "node:crypto";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insertCaKey } from "../src/store/ca-key-repository.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  getPublic,
  migrations,
  startAuthority,
  type AuthorityClient,
  type Files,
  type PublicAnswer,
  type RunningAuthority,
} from "./harness.ts";

const suite = new AsyncDisposableStack();
let files: Files;
let authority: RunningAuthority;
let activation: AuthorityClient;
let managementApi: AuthorityClient;
let store: Store<CertAuthorityDb>;

beforeAll(async () => {
  const postgres = suite.use(await startTestPostgres());
  const nats = suite.use(await startTestNats());
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const backing = { databaseUrl: database.url, nats };
  files = suite.use(await createFiles(backing));
  await bootstrap(files);
  authority = suite.use(await startAuthority(files, backing));
  activation = await authority.clientOf("activation");
  managementApi = await authority.clientOf("management-api");
  store = openStore({ url: database.url, schema: "cert_authority", logger: createTestLogger().logger });
  await store.start(AbortSignal.timeout(240_000));
  suite.defer(() => store.stop(AbortSignal.timeout(5_000)));
}, 120_000);

afterAll(() => suite.disposeAsync(), 60_000);

const get = (path: string, headers: Record<string, string> = {}): Promise<PublicAnswer> =>
  getPublic(authority, path, headers);

async function issueAndRevoke(reason: string, issuerId?: string): Promise<Buffer> {
  const request = await agentRequest({ fabricId: uuidV7Ids.next() });
  const serialNumber = (await activation.issueFabricCertificate(request)).certificate?.serialNumber ?? "";
  if (issuerId !== undefined) {
    await store.db
      .updateTable("certificate")
      .set({ issuer_id: issuerId })
      .where("serial_number", "=", serialNumber)
      .execute();
  }
  // Only cert-authority itself supersedes: over gRPC the word is refused.
  const given = reason === "superseded" ? "test" : reason;
  await managementApi.revokeCertificates({ target: { $case: "serialNumber", value: serialNumber }, reason: given });
  await store.db.updateTable("revocation").set({ reason }).where("serial_number", "=", serialNumber).execute();
  return Buffer.from(serialNumber, "hex");
}

/** The list as it is once it says what was just revoked; a second later at most if another test has just asked. */
async function listWith(path: string, serial: Buffer): Promise<PublicAnswer> {
  const deadline = AbortSignal.timeout(120_000);
  for (;;) {
    const answer = await get(path);
    if (answer.body.includes(serial)) return answer;
    await systemClock.sleep(100, deadline);
  }
}

test("publishes the trust bundle over HTTPS", async () => {
  const bundle = parseTrustBundleJson((await get("/v1/trust-bundle")).body.toString());
  expect(bundle).toMatchObject({ sequence: 1n, trustDomain: "drawbridge.local" });
});

test("publishes what was revoked, with the reason where the standard has one (R9, RFC 5280 5.3.1)", async () => {
  const superseded = await issueAndRevoke("superseded");
  const other = await issueAndRevoke("key was copied");
  const { body, headers } = await listWith("/v1/crl", other);
  expect(headers["content-type"]).toBe("application/pkix-crl");
  const reasonCode = Buffer.from("0603551d1504030a0104", "hex"); // extension 2.5.29.21, superseded(4)
  expect(body.includes(superseded)).toBe(true);
  expect(body.indexOf(reasonCode)).toBeGreaterThan(body.indexOf(superseded));
  expect(body.lastIndexOf(reasonCode)).toBe(body.indexOf(reasonCode));
});

test("whoever has the list already is told so (RFC 9110 13)", async () => {
  const { headers, body } = await listWith("/v1/crl", await issueAndRevoke("test"));
  const { etag = "", "last-modified": lastModified = "" } = headers;
  expect(etag).toBe(`"${createHash("sha256").update(body).digest("base64url")}"`);
  const status = async (asked: Record<string, string>) => (await get("/v1/crl", asked)).status;
  // The list may become five seconds old between two questions, and is another one then.
  const isSame = async (): Promise<boolean> => (await get("/v1/crl")).headers.etag === etag;
  const answers = [
    await status({ "if-none-match": etag }),
    await status({ "if-none-match": `"other", W/${etag}` }),
    await status({ "if-modified-since": lastModified }),
  ];
  if (await isSame()) expect(answers).toEqual([304, 304, 304]);
  expect(await status({ "if-none-match": '"other"', "if-modified-since": lastModified })).toBe(200);
  expect(await status({ "if-modified-since": new Date(0).toUTCString() })).toBe(200);
});

test("every issuing CA has a list of its own, signed by itself (RFC 5280 5)", async () => {
  const active = await store.db
    .selectFrom("ca_key")
    .select(["id", "issuer_id", "certificate_der"])
    .where("kind", "=", "issuing")
    .executeTakeFirstOrThrow();
  const now = new Date();
  const [rootKey, keyPair] = [await generateKeyPair(), await generateKeyPair()];
  const trustDomain = "drawbridge.local";
  const rootDer = await createRootCertificate({ keyPair: rootKey, trustDomain, now });
  const root = { certificateDer: rootDer, privateKey: rootKey.privateKey };
  const certificateDer = await createIssuingCertificate({ spkiDer: keyPair.spkiDer, root, trustDomain, now });
  const keks = parseKeyEncryptionKeys(
    (await readFile(files.env["DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE"] ?? "", "utf8")).trim(),
  );
  const id = uuidV7Ids.next();
  const ca = { id, kind: "issuing", state: "prepared", issuerId: active.issuer_id, certificateDer, keyPair } as const;
  await store.transaction((tx) => insertCaKey(tx, { ...ca, keks, createdAt: now }));

  const [ofActive, ofOther] = [await issueAndRevoke("test"), await issueAndRevoke("test", id)];
  const other = await listWith(`/v1/crl/${id}`, ofOther);
  const main = await listWith(`/v1/crl/${active.id}`, ofActive);
  expect(other.body.includes(ofActive)).toBe(false);
  expect(main.body.includes(ofOther)).toBe(false);
  expect(new NodeX509(certificateDer).subject).not.toBe(new NodeX509(active.certificate_der).subject);
  expect((await listWith("/v1/crl", ofActive)).body.includes(ofOther)).toBe(false);
});

test("a list of a CA that is not there is not made up", async () => {
  const unknown = await get(`/v1/crl/${uuidV7Ids.next()}`);
  expect([unknown.status, unknown.body.toString()]).toEqual([404, expect.stringContaining("CRL_ISSUER_NOT_FOUND")]);
  expect((await get("/v1/crl/no-uuid")).status).toBe(400);
});
