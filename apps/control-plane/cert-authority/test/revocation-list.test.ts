import { connectBus } from "@drawbridge/bus";
import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import type { Revocation } from "@drawbridge/contracts/certs/v1/revocation_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { openStore, sql, type Store } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres, type TestNats } from "@drawbridge/testkit";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRevocationRepository } from "../src/store/revocation-repository.ts";
import type { SignedCertificate } from "../src/domain/certificate.ts";
import { recordCertificates } from "../src/store/record-certificates.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type AuthorityClient,
  type RevocationClient,
  type RunningAuthority,
} from "./harness.ts";

const suite = new AsyncDisposableStack();
let authority: RunningAuthority;
let nats: TestNats;
let databaseUrl: string;
let activation: AuthorityClient;
let managementApi: AuthorityClient;
let reader: RevocationClient;

beforeAll(async () => {
  const postgres = suite.use(await startTestPostgres());
  nats = suite.use(await startTestNats());
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  databaseUrl = database.url;
  const backing = { databaseUrl, nats };
  const files = suite.use(await createFiles(backing));
  await bootstrap(files);
  authority = suite.use(await startAuthority(files, backing));
  activation = await authority.clientOf("activation");
  managementApi = await authority.clientOf("management-api");
  reader = await authority.revocationsOf("config-resolver");
}, 120_000);

afterAll(() => suite.disposeAsync(), 60_000);

async function openTestStore(): Promise<Store<CertAuthorityDb> & AsyncDisposable> {
  const store = openStore<CertAuthorityDb>({
    url: databaseUrl,
    schema: "cert_authority",
    logger: createTestLogger().logger,
  });
  await store.start(AbortSignal.timeout(240_000));
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.stop(AbortSignal.timeout(5_000)) });
}

async function issue(fabricId = uuidV7Ids.next()) {
  const { certificate } = await activation.issueFabricCertificate(await agentRequest({ fabricId }));
  if (!certificate) throw new Error("an answer without certificate");
  const fingerprint = createHash("sha256").update(certificate.certificateDer).digest("hex");
  return { ...certificate, fabricId, fingerprint };
}

const bySerial = (value: string) => ({ target: { $case: "serialNumber", value } as const, reason: "key was copied" });
const byFingerprint = (value: string) => ({
  target: { $case: "fingerprintSha256", value } as const,
  reason: "found on a laptop",
});

/** What a reader gets that has read everything so far. */
async function readAll(after = 0n, listId = "") {
  const revocations: Revocation[] = [];
  let position = after;
  for (;;) {
    const page = await reader.listRevocations({ afterPosition: position, listId });
    revocations.push(...page.revocations);
    position = page.nextPosition;
    if (!page.more) return { revocations, position, listId: page.listId };
  }
}

test("an entry says all that a listener needs: serial, fingerprint, name, fabric, end and why (R9)", async () => {
  const before = await readAll();
  const certificate = await issue();
  await managementApi.revokeCertificates(bySerial(certificate.serialNumber));
  const { revocations } = await readAll(before.position, before.listId);
  expect(revocations).toEqual([
    {
      position: expect.any(BigInt),
      serialNumber: certificate.serialNumber,
      fingerprintSha256: certificate.fingerprint,
      spiffeId: certificate.spiffeId,
      fabricId: certificate.fabricId,
      revokedAt: expect.any(Date),
      notAfter: certificate.notAfter,
      reason: "key was copied",
    },
  ]);
});

test("an operator who revokes one certificate of an agent stops the agent: unused and later ones are revoked with it", async () => {
  const first = await issue();
  const renewed = await issue(first.fabricId);
  const other = await issue();
  const answer = await managementApi.revokeCertificates(bySerial(first.serialNumber));
  expect(answer.serialNumbers).toEqual([first.serialNumber, renewed.serialNumber]);
  const { certificate } = await managementApi.getCertificate({ serialNumber: other.serialNumber });
  expect(certificate?.state).toBe(CertificateState.CERTIFICATE_STATE_ISSUED);
  // What an operator allows afterwards was decided later.
  const again = await issue(first.fabricId);
  expect((await managementApi.revokeCertificates(byFingerprint(again.fingerprint))).serialNumbers).toEqual([
    again.serialNumber,
  ]);
});

test("a renewal that was on its way when its agent was revoked is not recorded; other names are (REN 6)", async () => {
  const certificate = await issue();
  await managementApi.revokeCertificates(bySerial(certificate.serialNumber));
  const runtimeManager = await authority.clientOf("runtime-manager");
  const renewal = await agentRequest({ fabricId: certificate.fabricId });
  await expect(runtimeManager.issueFabricCertificate(renewal)).rejects.toMatchObject({
    kind: "permission_denied",
    code: "CERTIFICATE_REVOKED",
    details: { reason: "key was copied", serialNumber: certificate.serialNumber },
  });
  const query = { fabricId: "", spiffeId: certificate.spiffeId, unexpiredOnly: false, pageSize: 0, pageToken: "" };
  expect((await managementApi.listCertificates(query)).certificates).toHaveLength(1);
  await runtimeManager.issueFabricCertificate(await agentRequest({ fabricId: uuidV7Ids.next() }));
});

test("a recovery that was decided before its agent was revoked gets nothing, one decided after it does (REN 7)", async () => {
  const certificate = await issue();
  const before = systemClock.now();
  await managementApi.revokeCertificates(bySerial(certificate.serialNumber));
  const activation = await authority.clientOf("activation");
  const recovery = await agentRequest({ fabricId: certificate.fabricId });
  await expect(activation.issueFabricCertificate({ ...recovery, decidedAt: before })).rejects.toMatchObject({
    code: "CERTIFICATE_REVOKED",
  });
  const allowed = { ...recovery, requestId: uuidV7Ids.next(), decidedAt: systemClock.now() };
  expect((await activation.issueFabricCertificate(allowed)).certificate?.spiffeId).toBe(certificate.spiffeId);
});

test("the look and the revocation cannot pass each other: who records waits for a revocation under way", async () => {
  await using store = await openTestStore();
  const certificate = await issue();
  const revocations = createRevocationRepository(store);
  const request = { target: { kind: "serial_number", serialNumber: certificate.serialNumber }, reason: "x" } as const;
  const signed: SignedCertificate = {
    ...certificate,
    requestId: uuidV7Ids.next(),
    serialNumber: "0badcafe",
    issuerId: (await store.db.selectFrom("certificate").select("issuer_id").executeTakeFirstOrThrow()).issuer_id,
    spkiSha256: "",
    notBefore: systemClock.now(),
    notAfter: certificate.notAfter ?? systemClock.now(),
    issuedAt: systemClock.now(),
    decidedAt: systemClock.now(),
    callerSerialNumber: undefined,
    traceparent: "",
  };
  let recording: ReturnType<typeof recordCertificates> | undefined;
  await store.transaction(async (tx) => {
    await revocations.revokeIn(tx, { ...request, revokedBy: "test", now: systemClock.now() });
    recording = recordCertificates(store, [signed], undefined);
    const isWaiting = sql<{ n: string }>`SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
    while ((await isWaiting.execute(tx)).rows[0]?.n === "0") await systemClock.sleep(5);
  });
  expect(await recording).toEqual([{ outcome: "revoked", serialNumber: certificate.serialNumber, reason: "x" }]);
  // The same for a service that asked with a certificate that is revoked by now.
  const asked = { fabricId: undefined, callerSerialNumber: certificate.serialNumber, decidedAt: systemClock.now() };
  expect(await recordCertificates(store, [{ ...signed, ...asked }], undefined)).toMatchObject([
    { outcome: "revoked", reason: "x" },
  ]);
});

test("the reason of cert-authority's own revocations is nobody else's", async () => {
  const { serialNumber } = await issue();
  const request = { ...bySerial(serialNumber), reason: "superseded" };
  await expect(managementApi.revokeCertificates(request)).rejects.toMatchObject({
    kind: "invalid_argument",
    code: "REQUEST_INVALID",
  });
});

test("a fingerprint revokes the certificate that has it", async () => {
  const certificate = await issue();
  const answer = await managementApi.revokeCertificates(byFingerprint(certificate.fingerprint));
  expect(answer.serialNumbers).toEqual([certificate.serialNumber]);
  const { certificate: record } = await managementApi.getCertificate({ serialNumber: certificate.serialNumber });
  expect(record).toMatchObject({
    state: CertificateState.CERTIFICATE_STATE_REVOKED,
    fingerprintSha256: certificate.fingerprint,
    issuerId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    issuedAt: expect.any(Date),
    activatedAt: undefined,
  });
});

test("a fingerprint that the authority does not know is revoked too, once", async () => {
  const before = await readAll();
  const fingerprint = createHash("sha256").update(uuidV7Ids.next()).digest("hex");
  for (let attempt = 0; attempt < 2; attempt += 1) {
    expect((await managementApi.revokeCertificates(byFingerprint(fingerprint))).serialNumbers).toEqual([]);
  }
  const { revocations } = await readAll(before.position, before.listId);
  expect(revocations).toMatchObject([{ serialNumber: "", fingerprintSha256: fingerprint, spiffeId: "", fabricId: "" }]);
  const upper = byFingerprint(fingerprint.toUpperCase());
  await expect(managementApi.revokeCertificates(upper)).rejects.toMatchObject({ code: "REQUEST_INVALID" });
});

test("whoever listens hears that there is something new (ctl.revoked)", async () => {
  const bus = connectBus({
    url: nats.url,
    credentials: nats.credentials,
    name: "t",
    logger: createTestLogger().logger,
  });
  await bus.start(AbortSignal.timeout(240_000));
  const heard = Promise.withResolvers<number>();
  const subscription = bus.subscribe("ctl.revoked", ({ data }) => heard.resolve(data.length));
  await subscription.ready;
  await managementApi.revokeCertificates(bySerial((await issue()).serialNumber));
  expect(await heard.promise).toBe(0);
  await subscription.close();
  await bus.stop(AbortSignal.timeout(5_000));
});

test("services only: an agent does not read the list; a position that cannot be is refused", async () => {
  await expect(reader.listRevocations({ afterPosition: 2n ** 64n - 1n, listId: "" })).rejects.toMatchObject({
    code: "REQUEST_INVALID",
  });
  await expect(reader.listRevocations({ afterPosition: 0n, listId: "x" })).rejects.toMatchObject({
    code: "REQUEST_INVALID",
  });
});

test("a reader never skips an entry, however the writers' commits overlap", async () => {
  await using store = await openTestStore();
  const revocations = createRevocationRepository(store);
  const fingerprints = Array.from({ length: 96 }, (_, n) => createHash("sha256").update(`overlap ${n}`).digest("hex"));
  const before = await readAll();
  const seen: Revocation[] = [];
  let isWriting = true;
  const reading = (async () => {
    let position = before.position;
    for (let last = false; !last;) {
      last = !isWriting;
      const page = await readAll(position, before.listId);
      seen.push(...page.revocations);
      position = page.position;
    }
  })();
  // Some of the transactions stay open for a while after their position was drawn, so that others could overtake them.
  const write = (fingerprintSha256: string, n: number) =>
    store.transaction(async (tx) => {
      const target = { kind: "fingerprint" as const, fingerprintSha256 };
      await revocations.revokeIn(tx, { target, reason: "test", revokedBy: "test", now: new Date() });
      if (Math.floor(n) % 2 === 0) await sql`SELECT pg_sleep(0.005)`.execute(tx);
    });
  const lanes = Array.from({ length: 8 }, (_, lane) => lane);
  const writeLane = async (lane: number): Promise<void> => {
    for (let n = lane; n < fingerprints.length; n += lanes.length) await write(fingerprints[n] ?? "", n / 8);
  };
  await Promise.all(lanes.map(writeLane));
  isWriting = false;
  await reading;
  expect(seen.map(({ fingerprintSha256 }) => fingerprintSha256).toSorted()).toEqual(fingerprints.toSorted());
  const positions = seen.map(({ position }) => position);
  expect(positions).toEqual(positions.toSorted((a, b) => Number(a - b)));
});

test("a page holds a thousand entries and says that there are more", async () => {
  await using store = await openTestStore();
  const before = await readAll();
  await sql`
    INSERT INTO revocation (fingerprint_sha256, not_after, revoked_at, reason, revoked_by)
    SELECT encode(sha256(n::text::bytea), 'hex'), now() + interval '1 day', now(), 'test', 'test'
    FROM generate_series(1, 1500) AS n
  `.execute(store.db);
  const page = await reader.listRevocations({ afterPosition: before.position, listId: before.listId });
  expect([page.revocations.length, page.more]).toEqual([1_000, true]);
  const rest = await reader.listRevocations({ afterPosition: page.nextPosition, listId: before.listId });
  expect([rest.revocations.length, rest.more]).toEqual([500, false]);
});

test("a reader that is ahead of the database is told to read again from the beginning", async () => {
  const before = await readAll();
  const ahead = before.position + 1_000_000n;
  const page = await reader.listRevocations({ afterPosition: ahead, listId: before.listId });
  expect(page.listId).not.toBe(before.listId);
  expect(page.revocations[0]?.position).toBe((await readAll(0n, page.listId)).revocations[0]?.position);
  const again = await readAll(page.nextPosition, page.listId);
  expect(again.listId).toBe(page.listId);
});

test("certificates are listed by name, and without the expired ones on request", async () => {
  const first = await issue();
  const second = await issue(first.fabricId);
  const list = async (unexpiredOnly: boolean) => {
    const query = { fabricId: "", spiffeId: first.spiffeId, unexpiredOnly, pageSize: 0, pageToken: "" };
    return (await managementApi.listCertificates(query)).certificates.map(({ serialNumber }) => serialNumber);
  };
  expect(await list(true)).toEqual([second.serialNumber, first.serialNumber]);
  await using store = await openTestStore();
  await store.db
    .updateTable("certificate")
    .set({ not_after: systemClock.now() })
    .where("serial_number", "=", first.serialNumber)
    .execute();
  expect(await list(true)).toEqual([second.serialNumber]);
  expect(await list(false)).toEqual([second.serialNumber, first.serialNumber]);
});
