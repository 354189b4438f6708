import { uuidV7Ids, type Clock } from "@drawbridge/lifecycle";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, FakeClock, startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { readFile } from "node:fs/promises";
import { createAuthorityClock } from "../src/ca/authority-clock.ts";
import { createRotationKeeper } from "../src/ca/authority-keeper.ts";
import { byItself, createChangeAuthority, type AuthorityStep } from "../src/ca/change-authority.ts";
import { issuingUnder, type AuthorityState } from "../src/domain/ca-key.ts";
import { planIssuing } from "../src/domain/issuing-roll-over.ts";
import { planForcedAdvance, planStart } from "../src/domain/rotation.ts";
import { createAcknowledgementRepository } from "../src/store/acknowledgement-repository.ts";
import { readAuthorityState } from "../src/store/ca-key-repository.ts";
import { recordCertificates } from "../src/store/record-certificates.ts";
import { lastLeafEndsAt } from "../src/store/rotation-repository.ts";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import { bootstrap, createFiles, fabricId, migrations } from "./harness.ts";

const dayMs = 86_400_000;
const issuingTtlSeconds = 180 * 86_400;
const times = { graceSeconds: 0, retirementDelaySeconds: 86_400 };
let postgres: TestPostgres;
let store: Store<CertAuthorityDb>;
let keks: ReturnType<typeof parseKeyEncryptionKeys>;

beforeAll(async () => {
  postgres = await startTestPostgres();
}, 120_000);
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
}, 60_000);

beforeEach(async () => {
  const stack = new AsyncDisposableStack();
  onTestFinished(() => stack.disposeAsync());
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const nats = { url: "nats://127.0.0.1:1", credentials: "none" };
  const files = stack.use(await createFiles({ databaseUrl: database.url, nats }));
  await bootstrap(files);
  keks = parseKeyEncryptionKeys(await readFile(files.env["DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE"] ?? "", "utf8"));
  store = openStore({ url: database.url, schema: "cert_authority", logger: createTestLogger().logger });
  await store.start(AbortSignal.timeout(240_000));
  stack.defer(() => store.stop(AbortSignal.timeout(5_000)));
});

/** What a replica of cert-authority with this clock does to the keys. */
function aReplica(clock: Clock) {
  const log = createTestLogger();
  const authorityClock = createAuthorityClock({ clock, logger: log.logger });
  const change = createChangeAuthority({ store, keks, issuingTtlSeconds, times, authorityClock, ids: uuidV7Ids });
  return { log, authorityClock, change };
}

async function stateNow(): Promise<AuthorityState> {
  const state = await readAuthorityState(store.db);
  if (!state) throw new Error("no bootstrap");
  return state;
}

/** The root was replaced, and an agent's certificate under the old one ends in a week. */
async function replaceRoot(): Promise<string> {
  const { change } = aReplica(new FakeClock(new Date()));
  const before = await stateNow();
  const oldRoot = before.keys.find(({ kind }) => kind === "root")?.id ?? "";
  await recordLeaf(issuingUnder(before.keys, oldRoot, "active")?.id ?? "", 7 * dayMs);
  await change(planStart, { requestId: uuidV7Ids.next(), requestedBy: "ada", reason: "yearly" });
  for (const fromPhase of ["init", "update_clients", "update_servers"] as const) {
    const mode = { fromPhase, mode: "force" } as const;
    await change((state) => planForcedAdvance(state, { outcome: "known", followers: [] }, mode), byItself);
  }
  return oldRoot;
}

async function recordLeaf(issuerId: string, endsInMs: number): Promise<void> {
  const now = new Date();
  const leaf = {
    requestId: uuidV7Ids.next(),
    serialNumber: uuidV7Ids.next().replaceAll("-", ""),
    issuerId,
    spiffeId: `spiffe://drawbridge.local/fabric/${fabricId}`,
    fabricId,
    spkiSha256: "",
    certificateDer: Buffer.from("leaf"),
    notBefore: now,
    notAfter: new Date(now.getTime() + endsInMs),
    issuedAt: now,
    decidedAt: now,
    callerSerialNumber: undefined,
    traceparent: "",
  };
  expect(await recordCertificates(store, [leaf], undefined)).toEqual([{ outcome: "recorded" }]);
}

async function hasPrivateKey(id: string): Promise<boolean> {
  const row = await store.db
    .selectFrom("ca_key")
    .select(["state", "sealed_private_key"])
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  return row.state !== "retired" && row.sealed_private_key !== null;
}

test.each([40, -40])(
  "a replica whose clock is %i days wrong destroys no root, starts nothing, and says why once (R8, R21)",
  async (days) => {
    const root = await replaceRoot();
    const clock = new FakeClock(new Date(Date.now() + days * dayMs));
    const { authorityClock, change, log } = aReplica(clock);
    const keeper = createRotationKeeper({
      authority: { get: () => ({ state }) as never, refresh: () => Promise.resolve({} as never) },
      changeAuthority: change,
      readFollowers: () => Promise.resolve({ outcome: "known", followers: [] }),
      lastLeafEndsAt: (options) => lastLeafEndsAt(store.db, options),
      acknowledgements: createAcknowledgementRepository(store),
      readTime: () => authorityClock.read(store.db),
      times,
      clock,
      logger: log.logger,
      intervalMs: 1_000,
    });
    const state = await stateNow();
    await keeper.start(new AbortController().signal);
    for (const _pass of [1, 2]) {
      await clock.waitForSleep();
      clock.advance(1_000);
    }
    await clock.waitForSleep();
    await keeper.stop(AbortSignal.timeout(5_000));
    const retire: AuthorityStep = { step: "retire_root", id: root };
    await expect(change(() => retire, byItself)).rejects.toMatchObject({ code: "CLOCKS_DISAGREE" });
    await expect(change(planStart, byItself)).rejects.toMatchObject({ code: "CLOCKS_DISAGREE" });
    expect(await hasPrivateKey(root)).toBe(true);
    expect(authorityClock.health()).toContain(days > 0 ? "ahead of" : "behind");
    expect(log.records.filter(({ level }) => level === "error" || level === "warn")).toHaveLength(1);
  },
);

test("a machine whose clock steps forward with PostgreSQL's destroys no root at once; a true end is believed (R8, R21)", async () => {
  const root = await replaceRoot();
  const longAgo = new Date(Date.now() - 2 * dayMs); // by PostgreSQL's clock its last leaf has ended
  await store.db.updateTable("ca_key").set({ old_at: longAgo }).where("id", "=", root).execute();
  await store.db.updateTable("certificate").set({ not_after: longAgo }).execute();
  const retire: AuthorityStep = { step: "retire_root", id: root };
  const clock = new FakeClock(new Date(Date.now() - 40 * dayMs));
  const stepped = aReplica(clock);
  clock.jumpTo(new Date());
  expect(await stepped.change(() => retire, byItself)).toBeUndefined();
  expect(await hasPrivateKey(root)).toBe(true);
  const right = aReplica(new FakeClock(new Date()));
  expect(await right.change(() => retire, byItself)).toEqual(retire);
  expect(await hasPrivateKey(root)).toBe(false);
});

test("the clocks agree again: keys change again", async () => {
  const clock = new FakeClock(new Date(Date.now() + dayMs));
  const { change, authorityClock, log } = aReplica(clock);
  await expect(change(planStart, byItself)).rejects.toMatchObject({ code: "CLOCKS_DISAGREE" });
  clock.jumpTo(new Date());
  const request = { requestId: uuidV7Ids.next(), requestedBy: "ada", reason: "yearly" };
  expect(await change(planStart, request)).toEqual({ step: "start" });
  expect(authorityClock.health()).toBeUndefined();
  expect(log.records).toContainEqual(expect.objectContaining({ msg: "the clocks agree again" }));
});

test("who is live is said by PostgreSQL's clock, whatever the replicas' say (R8)", async () => {
  const acknowledgements = createAcknowledgementRepository(store);
  const common = { service: "activation", trustBundleSequence: 1n, certificateSerial: "01" };
  await acknowledgements.write({ ...common, replica: "activation-0" });
  await acknowledgements.write({ ...common, replica: "activation-1" });
  const longAgo = new Date(Date.now() - 600_000);
  await store.db
    .updateTable("trust_acknowledgement")
    .set({ seen_at: longAgo })
    .where("replica", "=", "activation-1")
    .execute();
  const within = async (seenWithinMs: number) =>
    (await acknowledgements.list({ seenWithinMs })).map(({ replica }) => replica);
  expect(await within(300_000)).toEqual(["activation-0"]);
  const all = await acknowledgements.list({ seenWithinMs: dayMs });
  expect(all.map(({ seenAgoMs }) => seenAgoMs >= 600_000)).toEqual([false, true]);
  await acknowledgements.forget({ unseenForMs: 300_000 });
  expect(await within(dayMs)).toEqual(["activation-0"]);
});

test("a phase begins by PostgreSQL's clock (R8)", async () => {
  const { change } = aReplica(new FakeClock(new Date(Date.now() + 200_000))); // within what is tolerated
  await change(planStart, { requestId: uuidV7Ids.next(), requestedBy: "ada", reason: "yearly" });
  const since = (await stateNow()).rotation.since?.getTime() ?? 0;
  expect(Math.abs(since - Date.now())).toBeLessThan(100_000);
});

test("an issuing CA that was made while all clocks were ahead is replaced as soon as they are right (R8, R21)", async () => {
  const { change } = aReplica(new FakeClock(new Date()));
  const root = (await stateNow()).keys.find(({ kind }) => kind === "root")?.id ?? "";
  const future = issuingUnder((await stateNow()).keys, root, "active")?.id ?? "";
  const ahead = { not_before: new Date(Date.now() + dayMs), not_after: new Date(Date.now() + 181 * dayMs) };
  await store.db.updateTable("ca_key").set(ahead).where("id", "=", future).execute();
  const steps = [await change(planIssuing, byItself), await change(planIssuing, byItself)];
  expect(steps.map((step) => step?.step)).toEqual(["make_issuing", "activate_issuing"]);
  expect(await change(planIssuing, byItself)).toBeUndefined();
  const { keys } = await stateNow();
  expect(issuingUnder(keys, root, "active")?.notBefore.getTime()).toBeLessThanOrEqual(Date.now());
  expect(keys.find(({ id }) => id === future)?.state).toBe("old");
});
