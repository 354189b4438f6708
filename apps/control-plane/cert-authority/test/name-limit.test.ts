import { uuidV7Ids } from "@drawbridge/lifecycle";
import { createCsr, generateKeyPair } from "@drawbridge/pki";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestNats, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SignedCertificate } from "../src/domain/certificate.ts";
import { nameLimitOf } from "../src/domain/name-limit.ts";
import { recordCertificates } from "../src/store/record-certificates.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type AuthorityClient,
  type RunningAuthority,
} from "./harness.ts";

const suite = new AsyncDisposableStack();
let authority: RunningAuthority;
let store: Store<CertAuthorityDb>;
let runtimeManager: AuthorityClient;
let issuerId: string;

beforeAll(async () => {
  const postgres = suite.use(await startTestPostgres());
  const nats = suite.use(await startTestNats());
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const backing = { databaseUrl: database.url, nats };
  const files = suite.use(await createFiles(backing));
  await bootstrap(files);
  authority = suite.use(await startAuthority(files, backing, { DRAWBRIDGE_NAME_CERTIFICATE_LIMIT: "48" }));
  runtimeManager = await authority.clientOf("runtime-manager");
  store = openStore({ url: database.url, schema: "cert_authority", logger: createTestLogger().logger });
  await store.start(AbortSignal.timeout(240_000));
  suite.defer(() => store.stop(AbortSignal.timeout(5_000)));
  const issuer = store.db.selectFrom("ca_key").select("id").where("kind", "=", "issuing");
  issuerId = (await issuer.executeTakeFirstOrThrow()).id;
}, 120_000);

afterAll(() => suite.disposeAsync(), 60_000);

const dayMs = 86_400_000;
const limit = nameLimitOf({ certificates: 48, leafTtlSeconds: 604_800, leafTtlMode: "production" });
const began = new Date("2026-01-01T00:00:00Z").getTime();
const refused = { outcome: "name_limited", waitMs: expect.any(Number) };

const certificateOf = (spiffeId: string, issuedAtMs: number, fabricId?: string): SignedCertificate => ({
  requestId: uuidV7Ids.next(),
  serialNumber: uuidV7Ids.next().replaceAll("-", ""),
  issuerId,
  spiffeId,
  fabricId: fabricId ?? uuidV7Ids.next(),
  spkiSha256: "",
  certificateDer: Buffer.from("x"),
  notBefore: new Date(issuedAtMs),
  notAfter: new Date(issuedAtMs + 7 * dayMs),
  issuedAt: new Date(issuedAtMs),
  decidedAt: new Date(issuedAtMs),
  callerSerialNumber: undefined,
  traceparent: "",
});

const record = async (...certificates: readonly SignedCertificate[]) =>
  (await recordCertificates(store, certificates, limit)).map(({ outcome }) => outcome);

test("who renews without end is told to come back; what was answered is answered again, others are served", async () => {
  const fabricId = uuidV7Ids.next();
  const csrDer = await createCsr(await generateKeyPair());
  const requests = await Promise.all(Array.from({ length: 12 }, () => agentRequest({ fabricId, csrDer })));
  const serials: (string | undefined)[] = [];
  for (const request of requests) {
    serials.push((await runtimeManager.issueFabricCertificate(request)).certificate?.serialNumber);
  }
  const more = await agentRequest({ fabricId, csrDer });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await expect(runtimeManager.issueFabricCertificate(more)).rejects.toMatchObject({
      kind: "resource_exhausted",
      code: "ISSUE_NAME_LIMIT",
      retryAfterMs: expect.any(Number),
    });
  }
  for (const [index, request] of requests.entries()) {
    const { certificate } = await runtimeManager.issueFabricCertificate(request);
    expect(certificate?.serialNumber).toBe(serials[index]);
  }
  await runtimeManager.issueFabricCertificate(await agentRequest({ csrDer, fabricId: uuidV7Ids.next() }));
  expect(await authority.metrics()).toMatch(/certificate_requests_total\{[^}]*result="limited"[^}]*\} 2\n/);
});

test("services have no limit: their replicas share a name, and none of theirs is superseded", async () => {
  const csrDer = Buffer.from(await createCsr(await generateKeyPair()));
  for (let count = 0; count < 20; count += 1) {
    await runtimeManager.issueServiceCertificate({ requestId: uuidV7Ids.next(), csrDer });
  }
});

test("an agent that renews in time, with a rotation and a recovery each week, never meets the limit", async () => {
  const name = "spiffe://drawbridge.local/steady";
  const atHours = (week: number): readonly number[] => [0, 1, 2, 84, 85].map((hour) => week * 168 + hour);
  for (let week = 0; week < 6; week += 1) {
    for (const hour of atHours(week)) {
      expect(await record(certificateOf(name, began + hour * 3_600_000))).toEqual(["recorded"]);
    }
  }
});

test("a burst ends, the rate goes on: at most 48 are unexpired, and the name is free before its last one expires", async () => {
  const name = "spiffe://drawbridge.local/hostile";
  let recorded: number[] = [];
  let most = 0;
  for (let minute = 0; minute < 21 * 1_440; minute += 30) {
    const nowMs = began + minute * 60_000;
    recorded = recorded.filter((issuedAtMs) => issuedAtMs > nowMs - 7 * dayMs);
    const [outcome] = await record(certificateOf(name, nowMs));
    if (outcome === "recorded") recorded.push(nowMs);
    expect(recorded.length).toBeGreaterThan(0);
    most = Math.max(most, recorded.length);
  }
  expect(most).toBe(48);
}, 60_000);

test("a drill with lives of minutes, renewing by order every few seconds, does not meet the limit", () => {
  const drill = nameLimitOf({ certificates: 48, leafTtlSeconds: 600, leafTtlMode: "drill" });
  expect(drill.certificates).toBeGreaterThanOrEqual(600);
  expect(drill.burst / drill.burstWindowMs).toBeGreaterThan(1 / 1_000);
});

test("a group counts too, and the answer says how long to wait", async () => {
  const name = "spiffe://drawbridge.local/at-once";
  const group = Array.from({ length: 20 }, () => certificateOf(name, began));
  const outcomes = await recordCertificates(store, group, limit);
  expect(outcomes.filter(({ outcome }) => outcome === "recorded")).toHaveLength(12);
  expect(outcomes.slice(12)).toEqual(Array.from({ length: 8 }, () => refused));
  const lateMs = began + limit.burstWindowMs - 60_000;
  expect(await recordCertificates(store, [certificateOf(name, lateMs)], limit)).toEqual([
    { ...refused, waitMs: 60_000 },
  ]);
  expect(await record(certificateOf(name, lateMs + 60_000))).toEqual(["recorded"]);
});
