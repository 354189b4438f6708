import { connectBus, standardBuckets, type Bus, type KeyValue } from "@drawbridge/bus";
import {
  CertificateAuthorityServiceClient,
  CertificateState,
  type CertificateAuthorityServiceService,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { RevocationServiceClient, type Revocation } from "@drawbridge/contracts/certs/v1/revocation_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createTrustBundle, followTrustSuccession, IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import {
  createTestLogger,
  startCertAuthority,
  startTestNats,
  startTestPostgres,
  tempDir,
  type CertAuthorityProcess,
  type TestNats,
  type TestPostgres,
} from "@drawbridge/testkit";
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import { agentRequest, migrations } from "./harness.ts";

// Every end of the service is a SIGKILL; every start is a process of its own.

let suite: AsyncDisposableStack;
let postgres: TestPostgres;
let nats: TestNats;
let database: { readonly url: string };
let authority: CertAuthorityProcess;
let kv: KeyValue;
let managementApi: GrpcClient<typeof CertificateAuthorityServiceService>["call"];
let activation: GrpcClient<typeof CertificateAuthorityServiceService>["call"];
let reader: GrpcClient<(typeof RevocationServiceClient)["service"]>["call"];

const { logger } = createTestLogger();

beforeEach(async () => {
  suite = new AsyncDisposableStack();
  postgres = suite.use(await startTestPostgres());
  nats = suite.use(await startTestNats());
  const created = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  database = created;
  const { path: dir } = suite.use(await tempDir());
  authority = suite.use(await startCertAuthority({ dir, database: created, nats }));
  const bus: Bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger });
  await bus.start(AbortSignal.timeout(240_000));
  suite.defer(() => bus.stop(AbortSignal.timeout(5_000)));
  kv = await bus.kv("revoked", standardBuckets.revoked);
  const clientOptions = async (service: string) => ({
    address: authority.address,
    identity: new IdentityHolder(await loadIdentityDir(join(authority.identitiesDir, service), new Date())),
    expectedServer: "/cp/cert-authority",
    logger,
  });
  const clients = [
    createGrpcClient(CertificateAuthorityServiceClient, await clientOptions("management-api")),
    createGrpcClient(CertificateAuthorityServiceClient, await clientOptions("activation")),
  ] as const;
  const revocations = createGrpcClient(RevocationServiceClient, await clientOptions("config-resolver"));
  for (const client of [...clients, revocations]) suite.defer(() => client.stop(AbortSignal.timeout(5_000)));
  [managementApi, activation, reader] = [clients[0].call, clients[1].call, revocations.call];
}, 180_000);

afterEach(() => suite.disposeAsync(), 60_000);

async function inDatabase<T>(
  work: (db: ReturnType<typeof openStore<CertAuthorityDb>>["db"]) => Promise<T>,
  target: { readonly url: string; readonly schema: string } = { url: database.url, schema: "cert_authority" },
): Promise<T> {
  const store = openStore<CertAuthorityDb>({ ...target, logger });
  await store.start(AbortSignal.timeout(240_000));
  try {
    return await work(store.db);
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
}

const nameOf = (url: string): string => new URL(url).pathname.slice(1);

/** `from` becomes a copy of `to`; nobody may be connected. */
async function copyDatabase(from: string, to: string): Promise<void> {
  await inDatabase(
    async (db) => {
      await sql`DROP DATABASE IF EXISTS ${sql.id(to)} WITH (FORCE)`.execute(db);
      await sql`CREATE DATABASE ${sql.id(to)} TEMPLATE ${sql.id(from)}`.execute(db);
    },
    { url: postgres.adminUrl, schema: "public" },
  );
}

async function backUp(): Promise<string> {
  await authority.kill();
  const backup = `${nameOf(database.url)}_backup`;
  await copyDatabase(nameOf(database.url), backup);
  suite.defer(() =>
    inDatabase(async (db) => void (await sql`DROP DATABASE ${sql.id(backup)} WITH (FORCE)`.execute(db)), {
      url: postgres.adminUrl,
      schema: "public",
    }),
  );
  await authority.start();
  return backup;
}

async function issue(): Promise<string> {
  const { certificate } = await activation.issueFabricCertificate(await agentRequest({ fabricId: uuidV7Ids.next() }));
  return certificate?.serialNumber ?? "";
}

const revokeSerial = (value: string) =>
  managementApi.revokeCertificates({ target: { $case: "serialNumber", value }, reason: "key was copied" });
const revokeFingerprint = (value: string) =>
  managementApi.revokeCertificates({ target: { $case: "fingerprintSha256", value }, reason: "found" });
const someFingerprint = (): string => createHash("sha256").update(uuidV7Ids.next()).digest("hex");
const readList = () => reader.listRevocations({ afterPosition: 0n, listId: "" });

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(240_000);
  while (!(await isSo())) await systemClock.sleep(20, deadline);
}

const isMirrored = (key: string) => async (): Promise<boolean> => (await kv.get(key)) !== undefined;

test("a database restored to an earlier state un-revokes nothing: the first answer has it all again (R17)", async () => {
  const [before, known] = [await issue(), await issue()];
  await revokeSerial(before);
  await until(isMirrored(`serial.${before}`));
  const backup = await backUp();

  const unknownToBackup = await issue();
  const fingerprint = someFingerprint();
  for (const serial of [known, unknownToBackup]) await revokeSerial(serial);
  await revokeFingerprint(fingerprint);
  for (const key of [`serial.${known}`, `serial.${unknownToBackup}`, `fp.${fingerprint}`]) await until(isMirrored(key));
  const old = await readList();
  expect(old.revocations).toHaveLength(4);

  await authority.kill();
  await copyDatabase(backup, nameOf(database.url));
  const restored = await inDatabase((db) => db.selectFrom("revocation").select("serial_number").execute());
  expect(restored).toEqual([{ serial_number: before }]);
  await authority.start();

  const list = await readList();
  const facts = ({ serialNumber, fingerprintSha256, spiffeId, fabricId, revokedAt, notAfter, reason }: Revocation) =>
    JSON.stringify({ serialNumber, fingerprintSha256, spiffeId, fabricId, revokedAt, notAfter, reason });
  expect(list.revocations.map(facts).toSorted()).toEqual(old.revocations.map(facts).toSorted());
  expect(list.listId).not.toBe(old.listId);
  // A reader from before reads on with what it has, and is sent to the beginning; no position means two things.
  const asked = await reader.listRevocations({ afterPosition: old.nextPosition, listId: old.listId });
  expect(asked.listId).toBe(list.listId);
  expect(asked.revocations).toHaveLength(4);
  const added = list.revocations.filter(({ serialNumber }) => serialNumber !== before);
  expect(added.every(({ position }) => position > old.nextPosition)).toBe(true);
  const { certificate } = await managementApi.getCertificate({ serialNumber: known });
  expect(certificate?.state).toBe(CertificateState.CERTIFICATE_STATE_REVOKED);
  expect(authority.output()).toContain("restored to an earlier state");
}, 180_000);

test("killed after the commit and before the mirror: the next start writes it", async () => {
  const serial = await issue();
  const fingerprint = someFingerprint();
  await nats.kill();
  await revokeSerial(serial); // the bus is not needed to revoke
  await revokeFingerprint(fingerprint);
  await authority.kill();
  await nats.start();
  await until(async () => (await kv.get(`serial.${serial}`).catch(() => "away")) === undefined);
  await authority.start();
  for (const key of [`serial.${serial}`, `fp.${fingerprint}`]) await until(isMirrored(key));
}, 180_000);

test("a mirror that lost what the database has gets it again", async () => {
  const serial = await issue();
  await revokeSerial(serial);
  await until(isMirrored(`serial.${serial}`));
  await kv.delete(`serial.${serial}`);
  await authority.kill();
  await authority.start();
  await until(isMirrored(`serial.${serial}`));
  expect((await readList()).revocations.map(({ serialNumber }) => serialNumber)).toEqual([serial]);
}, 180_000);

test("the number of the trust bundle never goes back, and followers have a signature for the next one (R17)", async () => {
  const backup = await backUp();
  await inDatabase((db) => db.updateTable("trust_bundle").set({ sequence: "7" }).execute());
  const mirrored = async (): Promise<string> => Buffer.from((await kv.get("meta.state"))?.value ?? []).toString();
  await until(async () => (await mirrored()).includes('"trust_bundle_sequence":"7"'));
  await authority.kill();
  await copyDatabase(backup, nameOf(database.url));
  await authority.start();
  const sequence = () => inDatabase((db) => db.selectFrom("trust_bundle").select("sequence").executeTakeFirst());
  await until(async () => (await sequence())?.sequence === "8");
  await until(async () => (await mirrored()).includes('"trust_bundle_sequence":"8"'));
  await until(async () => (await activation.getTrustBundle({})).trustBundle?.sequence === 8n);
  const { trustBundle, succession } = await activation.getTrustBundle({});
  // A follower that has seen 7, and the same roots.
  const own = await loadIdentityDir(join(authority.identitiesDir, "activation"), new Date());
  const seen = createTrustBundle({ ...own.trustBundle, sequence: 7n });
  const next = await followTrustSuccession(
    seen,
    succession.filter(({ sequence }) => sequence > 7n).map(({ jws }) => jws),
  );
  expect(next.sequence).toBe(8n);
  expect(next.rootsDer.map((der) => Buffer.from(der))).toEqual(trustBundle?.rootsDer);
}, 180_000);

test("what somebody else wrote into the mirror revokes nothing if it contradicts itself", async () => {
  const serial = await issue();
  const entry = { serialNumber: serial, revokedAt: new Date(), notAfter: new Date(Date.now() + 60_000), reason: "x" };
  await kv.put("serial.abcd", Buffer.from(JSON.stringify(entry)));
  await kv.put("serial.ef01", Buffer.from("no"));
  await authority.kill();
  await authority.start();
  await revokeFingerprint(someFingerprint());
  const { revocations } = await readList();
  expect(revocations.map(({ serialNumber }) => serialNumber)).toEqual([""]);
  expect(authority.output()).toContain("the mirror has an entry that cannot be read");
}, 180_000);

const markFile = () => join(authority.identitiesDir, "cert-authority", "revocation-position");
const markOf = () => readFile(markFile(), "utf8").catch(() => "");
/** Without waiting for what needs the bus; over when the list is served, or refused. */
async function startWithoutBus(): Promise<void> {
  authority.start().catch(() => undefined);
  await until(async () => (await codeOf(reader.listRevocations({ afterPosition: 0n, listId: someList }))) === "");
}
const someList = uuidV7Ids.next();
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "",
    (error: unknown) => (isDrawbridgeError(error) ? error.code : "not an error of ours"),
  );

/** The state before `later` was revoked, and no bus. A reader has `old`. */
async function restoreWithoutBus(options: { readonly isMarkKept: boolean }) {
  const [before, later] = [await issue(), await issue()];
  await revokeSerial(before);
  const backup = await backUp();
  await revokeSerial(later);
  await until(isMirrored(`serial.${later}`));
  const old = await readList();
  await until(async () => (await markOf()) === `${old.nextPosition}\n`);
  await authority.kill();
  await nats.kill();
  await copyDatabase(backup, nameOf(database.url));
  if (!options.isMarkKept) await rm(markFile());
  await startWithoutBus();
  return { before, later, old };
}

async function listIsWhole(serials: readonly string[]): Promise<void> {
  await nats.start();
  await until(async () => (await codeOf(readList())) === "");
  const { revocations } = await readList();
  expect(revocations.map(({ serialNumber }) => serialNumber).toSorted()).toEqual(serials.toSorted());
}

test("restored while NATS is away: who has no list gets none before NATS was asked, who has one goes on (R17)", async () => {
  const { before, later, old } = await restoreWithoutBus({ isMarkKept: true });
  expect(await codeOf(readList())).toBe("REVOCATION_LIST_INCOMPLETE");
  // What is revoked now reaches those who have a list.
  const page = await reader.listRevocations({ afterPosition: old.nextPosition, listId: old.listId });
  expect(page.listId).not.toBe(old.listId);
  const fingerprint = someFingerprint();
  await revokeFingerprint(fingerprint);
  const news = await reader.listRevocations({ afterPosition: page.nextPosition, listId: page.listId });
  expect(news.revocations).toMatchObject([{ fingerprintSha256: fingerprint }]);
  // Started once more, it still knows.
  await authority.kill();
  await startWithoutBus();
  expect(await codeOf(readList())).toBe("REVOCATION_LIST_INCOMPLETE");
  await listIsWhole([before, later, ""]);
}, 180_000);

test("without the file, a reader that knows more shows that the database was restored", async () => {
  const { before, later, old } = await restoreWithoutBus({ isMarkKept: false });
  expect(await codeOf(readList())).toBe(""); // nobody can know yet
  await reader.listRevocations({ afterPosition: old.nextPosition, listId: old.listId });
  expect(await codeOf(readList())).toBe("REVOCATION_LIST_INCOMPLETE");
  await listIsWhole([before, later]);
}, 180_000);

test("a plain start with NATS away serves everybody", async () => {
  const serial = await issue();
  await revokeSerial(serial);
  const { nextPosition } = await readList();
  await until(async () => (await markOf()) === `${nextPosition}\n`);
  await authority.kill();
  await nats.kill();
  await startWithoutBus();
  expect((await readList()).revocations.map(({ serialNumber }) => serialNumber)).toEqual([serial]);
}, 180_000);
