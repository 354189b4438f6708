import { uuidV7Ids } from "@drawbridge/lifecycle";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, FakeClock, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import type { SignedCertificate } from "../src/domain/certificate.ts";
import { createSupersededJob } from "../src/revocation/superseded-job.ts";
import { createMirrorRepository } from "../src/store/mirror-repository.ts";
import { recordCertificates } from "../src/store/record-certificates.ts";
import { createRevocationRepository, type RevocationRepository } from "../src/store/revocation-repository.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import { bootstrap, createFiles, migrations } from "./harness.ts";

const suite = new AsyncDisposableStack();
const right = new Date("2026-03-01T00:00:00Z");
const dayMs = 86_400_000;
const leafMs = 7 * dayMs;
const wrong = new Date(right.getTime() + 40 * dayMs);
let store: Store<CertAuthorityDb>;
let revocations: RevocationRepository;
let issuerId: string;
let clock: FakeClock;

beforeAll(async () => {
  const postgres = suite.use(await startTestPostgres());
  const database = suite.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const nats = { url: "nats://127.0.0.1:1", credentials: "none" };
  const files = suite.use(await createFiles({ databaseUrl: database.url, nats }));
  await bootstrap(files, { clock: new FakeClock(right) });
  store = openStore({ url: database.url, schema: "cert_authority", logger: createTestLogger().logger });
  await store.start(AbortSignal.timeout(240_000));
  suite.defer(() => store.stop(AbortSignal.timeout(5_000)));
  const issuer = store.db.selectFrom("ca_key").select("id").where("kind", "=", "issuing");
  issuerId = (await issuer.executeTakeFirstOrThrow()).id;
}, 120_000);

afterAll(() => suite.disposeAsync(), 60_000);

beforeEach(async () => {
  clock = new FakeClock(right);
  revocations = createRevocationRepository(store);
  const job = createSupersededJob({ store, revocations, graceSeconds: 300, clock, logger: createTestLogger().logger });
  await job.start(new AbortController().signal);
  onTestFinished(() => job.stop(AbortSignal.timeout(5_000)));
});

async function issue(fabricId = uuidV7Ids.next()): Promise<SignedCertificate> {
  const certificate: SignedCertificate = {
    requestId: uuidV7Ids.next(),
    serialNumber: uuidV7Ids.next().replaceAll("-", ""),
    issuerId,
    spiffeId: `spiffe://drawbridge.local/fabric/${fabricId}`,
    fabricId,
    spkiSha256: "",
    certificateDer: Buffer.from(uuidV7Ids.next()),
    notBefore: right,
    notAfter: new Date(right.getTime() + leafMs),
    issuedAt: right,
    decidedAt: right,
    callerSerialNumber: undefined,
    traceparent: "",
  };
  expect(await recordCertificates(store, [certificate], undefined)).toEqual([{ outcome: "recorded" }]);
  return certificate;
}

/** Has the job run at this time; it is over when it sleeps again. */
async function passAt(now: Date): Promise<void> {
  await clock.waitForSleep();
  clock.jumpTo(now);
  clock.advance(3_000);
  await clock.waitForSleep();
}

const revoke = (serialNumber: string) =>
  revocations.revoke({
    target: { kind: "serial_number", serialNumber },
    isWholeName: true,
    reason: "key leaked",
    revokedBy: "test",
    now: clock.now(),
  });

/** What a reader gets who has read up to this position. */
async function readFrom(afterPosition: bigint) {
  const page = await revocations.list({ afterPosition, listId: "" });
  return { serials: page.revocations.map(({ serialNumber }) => serialNumber), position: page.nextPosition };
}

test("an entry leaves the list a day after its certificate expired; the record stays revoked", async () => {
  const { serialNumber, notAfter } = await issue();
  await revoke(serialNumber);
  await passAt(new Date(notAfter.getTime() + dayMs - 3_000));
  expect((await readFrom(0n)).serials).toContain(serialNumber);
  await passAt(new Date(notAfter.getTime() + dayMs));
  expect((await readFrom(0n)).serials).not.toContain(serialNumber);
  expect(await revoke(serialNumber)).toEqual([]);
});

test("what left the list while the clock was ahead is listed again, for those too who have read on (REN 6)", async () => {
  const { serialNumber } = await issue();
  await revoke(serialNumber);
  await passAt(wrong);
  const late = await readFrom(0n); // started while the clock was wrong
  expect(late.serials).not.toContain(serialNumber);
  const told = Promise.withResolvers<void>();
  revocations.onRevoked(told.resolve);
  await passAt(right);
  await told.promise;
  expect((await readFrom(0n)).serials).toContain(serialNumber);
  expect((await readFrom(late.position)).serials).toContain(serialNumber);
  const unmirrored = await createMirrorRepository(store).unmirrored(100);
  expect(unmirrored.map((entry) => entry.serialNumber)).toContain(serialNumber);
  const before = await readFrom(0n);
  await passAt(right);
  expect(await readFrom(0n)).toEqual(before);
});

test("what is revoked or superseded while the clock is ahead is refused when it is right again", async () => {
  const fabricId = uuidV7Ids.next();
  const [old, used] = [await issue(fabricId), await issue(fabricId)];
  await store.db
    .updateTable("certificate")
    .set({ activated_at: right, is_superseding: true })
    .where("serial_number", "=", used.serialNumber)
    .execute();
  const named = [await issue(), await issue()] as const;
  const twin = await issue(named[0].fabricId);
  await passAt(wrong);
  await revoke(named[0].serialNumber);
  const target = { kind: "fabric", fabricId: named[1].fabricId ?? "" } as const;
  await revocations.revoke({ target, reason: "test", revokedBy: "test", now: clock.now() });
  await passAt(wrong);
  await passAt(right);
  const { serials } = await readFrom(0n);
  for (const { serialNumber } of [old, ...named, twin]) expect(serials).toContain(serialNumber);
  expect(serials).not.toContain(used.serialNumber);
});
