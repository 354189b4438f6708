import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  AuthorityServiceService,
  type AcknowledgeTrustBundleRequest,
} from "@drawbridge/contracts/certs/v1/authority_service";
import { CertificateAuthorityServiceService } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { cryptoRandom } from "@drawbridge/lifecycle";
import { IdentityHolder, loadIdentityDir, parseCsr, saveIdentityDir, type TrustBundle } from "@drawbridge/pki";
import {
  createGrpcServer,
  createServiceIdentity,
  defineGrpcService,
  type ServiceIdentityOptions,
} from "@drawbridge/rpc";
import { createTestCa, createTestLogger, FakeClock, tempDir, type TestCa } from "@drawbridge/testkit";
import { beforeAll, expect, onTestFinished, test } from "vitest";

const forever = new AbortController().signal;
const hourMs = 3_600_000;

let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa();
});

interface AuthorityState {
  isAway: boolean;
  trustBundle: TrustBundle;
  issued: number;
  /** Certificates that were asked for, issued or not. */
  asked: number;
  renewNow: boolean;
  readonly acknowledged: AcknowledgeTrustBundleRequest[];
}

/** cert-authority's contract on a real port, with the test CA behind it. */
async function startAuthority(version: "current" | "before rotations") {
  const state: AuthorityState = {
    isAway: false,
    trustBundle: ca.trustBundle,
    issued: 0,
    asked: 0,
    renewNow: false,
    acknowledged: [],
  };
  const refuse = (): Promise<never> => Promise.reject(new Error("not asked for"));
  const bundle = () => ({
    sequence: state.trustBundle.sequence,
    refreshHintSeconds: state.trustBundle.refreshHintSeconds,
    trustDomain: state.trustBundle.trustDomain,
    rootsDer: state.trustBundle.rootsDer.map((der) => Buffer.from(der)),
  });
  const authorityService = defineGrpcService(AuthorityServiceService, {
    allow: {
      getAuthorityStatus: [],
      startRotation: [],
      advanceRotation: [],
      rollBackRotation: [],
      getTrustSuccession: [],
      listOutdatedCertificates: [],
      acknowledgeTrustBundle: ["any-service"],
    },
    handlers: {
      getAuthorityStatus: refuse,
      startRotation: refuse,
      advanceRotation: refuse,
      rollBackRotation: refuse,
      getTrustSuccession: refuse,
      listOutdatedCertificates: refuse,
      acknowledgeTrustBundle: (request) => {
        state.acknowledged.push(request);
        return Promise.resolve({ trustBundle: bundle(), renewNow: state.renewNow });
      },
    },
  });
  const server = createGrpcServer({
    name: "internal",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await ca.issueService("cert-authority")),
    clientCertificate: "required",
    logger: createTestLogger().logger,
    services: [
      ...(version === "current" ? [authorityService] : []),
      defineGrpcService(CertificateAuthorityServiceService, {
        allow: {
          issueFabricCertificate: [],
          issueServiceCertificate: ["any-service"],
          getTrustBundle: ["any-service"],
          getCertificate: [],
          activateCertificate: [],
          revokeCertificates: [],
          listCertificates: [],
        },
        handlers: {
          issueServiceCertificate: async ({ csrDer }, { peer }) => {
            state.asked += 1;
            if (state.isAway) throw new DrawbridgeError({ kind: "failed_precondition", code: "AWAY", message: "away" });
            const { spkiDer } = await parseCsr(csrDer);
            const leaf = await ca.sign(spkiDer, peer?.spiffeId ?? "");
            state.issued += 1;
            const certificate = {
              serialNumber: leaf.serialNumber,
              certificateDer: Buffer.from(leaf.certificateDer),
              chainDer: [Buffer.from(ca.issuingDer)],
              spiffeId: leaf.spiffeId,
              notBefore: leaf.notBefore,
              notAfter: leaf.notAfter,
            };
            return { certificate, trustBundle: bundle() };
          },
          getTrustBundle: () => Promise.resolve({ trustBundle: bundle(), succession: [] }),
          issueFabricCertificate: refuse,
          getCertificate: refuse,
          activateCertificate: refuse,
          revokeCertificates: refuse,
          listCertificates: refuse,
        },
      }),
    ],
  });
  await server.start(forever);
  onTestFinished(() => server.stop(AbortSignal.abort()));
  return { state, address: `127.0.0.1:${server.address().port}` };
}

interface SetUpOptions extends Pick<
  Partial<ServiceIdentityOptions>,
  "trustDomain" | "replica" | "trustNews" | "random"
> {
  readonly version?: "before rotations";
}

async function setUp({ version, ...options }: SetUpOptions = {}) {
  const dir = await tempDir();
  onTestFinished(() => dir[Symbol.asyncDispose]());
  const authority = await startAuthority(version ?? "current");
  const clock = new FakeClock(new Date());
  const log = createTestLogger();
  const identity = createServiceIdentity({
    dir: join(dir.path, "activation"),
    certAuthority: authority,
    clock,
    random: cryptoRandom,
    logger: log.logger,
    ...options,
  });
  onTestFinished(() => identity.stop(AbortSignal.timeout(1_000)));
  return { ...authority, clock, log, identity, dir: join(dir.path, "activation") };
}

/** Let the loop go round, 15 s at a time, until the wanted is true. */
async function advanceUntil(clock: FakeClock, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    await clock.waitForSleep();
    if (isTrue()) return;
    clock.advance(15_000);
  }
}

test("waits for its files, says so on /readyz, and starts when they come", async () => {
  const { identity, clock, dir, log } = await setUp();
  const started = identity.start(forever);
  await clock.waitForSleep();
  expect(identity.health()).toBe(`waiting for ${dir}`);
  await saveIdentityDir(dir, await ca.issueService("activation"), clock.now());
  clock.advance(5_000);
  await started;
  expect(identity.health()).toBeUndefined();
  expect(identity.holder.get().spiffeId).toBe("spiffe://drawbridge.local/cp/activation");
  expect(log.withMessage("waiting for identity files")).toHaveLength(1);
});

test("an identity of another trust domain is not taken", async () => {
  const { identity, clock, dir, log } = await setUp({ trustDomain: "other.local" });
  await saveIdentityDir(dir, await ca.issueService("activation"), clock.now());
  const stopped = new AbortController();
  const started = identity.start(stopped.signal);
  await clock.waitForSleep();
  expect(log.withMessage("waiting for identity files")[0]).toMatchObject({ err: { code: "IDENTITY_FOREIGN" } });
  stopped.abort(new Error("enough"));
  await expect(started).rejects.toThrow("enough");
});

test("renews between 40 and 60 percent of the certificate's life, swaps it while running and saves it", async () => {
  const { identity, clock, dir, state } = await setUp();
  const first = await ca.issueService("activation", { ttlSeconds: 10 * 3600 });
  await saveIdentityDir(dir, first, clock.now());
  await identity.start(forever);
  await clock.waitForSleep();
  clock.advance(3.9 * hourMs);
  await clock.waitForSleep();
  expect(state.issued).toBe(0);
  clock.advance(2.2 * hourMs);
  await advanceUntil(clock, () => identity.holder.get().serialNumber !== first.serialNumber);
  await clock.waitForSleep();
  expect(state.issued).toBe(1);
  const saved = await loadIdentityDir(dir, clock.now());
  expect(saved.serialNumber).toBe(identity.holder.get().serialNumber);
  expect(saved.privateKeyPem).not.toBe(first.privateKeyPem);
});

test("a renewal that fails changes nothing and is tried again", async () => {
  const { identity, clock, dir, state, log } = await setUp();
  const first = await ca.issueService("activation", { ttlSeconds: 10 * 3600 });
  await saveIdentityDir(dir, first, clock.now());
  state.isAway = true;
  await identity.start(forever);
  await clock.waitForSleep();
  clock.advance(6.1 * hourMs);
  await advanceUntil(clock, () => log.withMessage("identity cannot be refreshed, will retry").length > 0);
  expect(identity.holder.get().serialNumber).toBe(first.serialNumber);
  expect(identity.health()).toBeUndefined();
  state.isAway = false;
  await advanceUntil(clock, () => identity.holder.get().serialNumber !== first.serialNumber);
});

test("with a folder that cannot be written it renews and acknowledges all the same, and saves later", async () => {
  const { identity, clock, dir, log, state } = await setUp();
  const first = await ca.issueService("activation", { ttlSeconds: 10 * 3600 });
  await saveIdentityDir(dir, first, clock.now());
  await identity.start(forever);
  await clock.waitForSleep();
  await rm(dir, { recursive: true });
  await writeFile(dir, "in the way");
  clock.advance(6.1 * hourMs);
  await advanceUntil(clock, () => identity.holder.get().serialNumber !== first.serialNumber);
  await clock.waitForSleep();
  expect(log.withMessage("the identity cannot be saved: a restart would begin with an older one")).toHaveLength(1);
  const second = identity.holder.get().serialNumber;
  const acknowledged = state.acknowledged.length;
  state.renewNow = true;
  await advanceUntil(clock, () => identity.holder.get().serialNumber !== second);
  expect(state.acknowledged.length).toBeGreaterThan(acknowledged);
  await rm(dir);
  clock.advance(600_000);
  await clock.waitForSleep();
  expect((await loadIdentityDir(dir, clock.now())).serialNumber).toBe(identity.holder.get().serialNumber);
});

test("a clock days ahead of cert-authority's makes it renew early, not without end", async () => {
  const { identity, clock, dir, state } = await setUp();
  await saveIdentityDir(dir, await ca.issueService("activation"), clock.now());
  await identity.start(forever);
  await clock.waitForSleep();
  clock.jumpTo(new Date(clock.now().getTime() + 5 * 24 * hourMs)); // cert-authority's clock, which the leaves are from, stays
  await advanceUntil(clock, () => state.issued === 1);
  const fromMs = clock.monotonicMs();
  while (clock.monotonicMs() - fromMs < hourMs) {
    await clock.waitForSleep();
    clock.advance(15_000);
  }
  expect(state.issued).toBe(1); // two days of it are left
});

test("an expired certificate is said on /readyz, and a newer one in the folder is taken", async () => {
  const { identity, clock, dir, state } = await setUp();
  state.isAway = true;
  await saveIdentityDir(dir, await ca.issueService("activation", { ttlSeconds: 3600 }), clock.now());
  await identity.start(forever);
  await clock.waitForSleep();
  clock.advance(1.1 * hourMs);
  expect(identity.health()).toBe("the certificate has expired");
  const newer = await ca.issueService("activation");
  await saveIdentityDir(dir, newer, clock.now());
  await advanceUntil(clock, () => identity.holder.get().serialNumber === newer.serialNumber);
  expect(identity.health()).toBeUndefined();
});

async function otherRootToo(sequence: bigint): Promise<TrustBundle> {
  const { trustBundle } = await createTestCa();
  return { ...ca.trustBundle, sequence, rootsDer: [...ca.trustBundle.rootsDer, ...trustBundle.rootsDer] };
}

test("says at its start, and after each change, what it works with (R8)", async () => {
  const { identity, clock, dir, state } = await setUp({ replica: "activation-1" });
  const first = await ca.issueService("activation");
  await saveIdentityDir(dir, first, clock.now());
  state.trustBundle = await otherRootToo(2n);
  await identity.start(forever);
  await clock.waitForSleep();
  const said = { replica: "activation-1", certificateSerial: first.serialNumber, renewAt: expect.any(Date) };
  expect(state.acknowledged).toEqual([
    { ...said, trustBundleSequence: 1n },
    { ...said, trustBundleSequence: 2n },
  ]);
  await advanceUntil(clock, () => state.acknowledged.length > 2); // every minute
});

test("takes a new bundle as soon as it hears of it, and keeps its certificate (R8)", async () => {
  const hints: (() => void)[] = [];
  const trustNews = (onHint: () => void) => {
    hints.push(onHint);
    return { close: () => Promise.resolve() };
  };
  const { identity, clock, dir, state } = await setUp({ trustNews });
  const first = await ca.issueService("activation");
  await saveIdentityDir(dir, first, clock.now());
  await identity.start(forever);
  await clock.waitForSleep();
  const changed = Promise.withResolvers<bigint>();
  identity.holder.onChange(({ trustBundle }) => changed.resolve(trustBundle.sequence));
  state.trustBundle = await otherRootToo(2n);
  hints[0]?.(); // without any time passing
  expect(await changed.promise).toBe(2n);
  expect(identity.holder.get().serialNumber).toBe(first.serialNumber);
});

test("hears of a new bundle also over a bus that was there later than the service, and of what was said before (R8)", async () => {
  let isThere = false;
  const trustNews = () => {
    if (!isThere) throw new Error("not connected");
    return { close: () => Promise.resolve() };
  };
  const { identity, clock, dir, state } = await setUp({ trustNews });
  await saveIdentityDir(dir, await ca.issueService("activation"), clock.now());
  await identity.start(forever);
  await clock.waitForSleep();
  state.trustBundle = await otherRootToo(2n);
  isThere = true;
  const changed = Promise.withResolvers<bigint>();
  identity.holder.onChange(({ trustBundle }) => changed.resolve(trustBundle.sequence));
  clock.advance(1_000);
  expect(await changed.promise).toBe(2n);
});

test("a bus that is away does not shorten the pauses between renewals that fail (R6)", async () => {
  const trustNews = () => {
    throw new Error("not connected");
  };
  const { identity, clock, dir, state } = await setUp({ trustNews, random: { next: () => 0.99 } });
  await saveIdentityDir(dir, await ca.issueService("activation", { ttlSeconds: 10 * 3600 }), clock.now());
  state.isAway = true;
  clock.jumpTo(new Date(clock.now().getTime() + 6.1 * hourMs));
  await identity.start(forever);
  const fromMs = clock.monotonicMs();
  for (await clock.waitForSleep(); clock.monotonicMs() - fromMs < 60_000; await clock.waitForSleep())
    clock.advance(1_000);
  expect(state.asked).toBe(3); // at once, after 10 s, and 20 s later
});

test("renews at once when its certificate should be under another root, and not again and again (R8)", async () => {
  const { identity, clock, dir, state } = await setUp();
  const first = await ca.issueService("activation");
  await saveIdentityDir(dir, first, clock.now());
  state.renewNow = true;
  await identity.start(forever);
  await clock.waitForSleep();
  expect(state.issued).toBe(1);
  expect(identity.holder.get().serialNumber).not.toBe(first.serialNumber);
  expect(state.acknowledged.at(-1)?.certificateSerial).toBe(identity.holder.get().serialNumber);
});

test("gets the bundle also from a cert-authority of the version before", async () => {
  const { identity, clock, dir, state } = await setUp({ version: "before rotations" });
  await saveIdentityDir(dir, await ca.issueService("activation"), clock.now());
  state.trustBundle = await otherRootToo(2n);
  await identity.start(forever);
  await advanceUntil(clock, () => identity.holder.get().trustBundle.sequence === 2n);
});

test("takes a trust bundle with a higher sequence, and never one with a lower", async () => {
  const { identity, clock, dir, state } = await setUp();
  const other = await createTestCa();
  await saveIdentityDir(dir, await ca.issueService("activation"), clock.now());
  state.trustBundle = {
    ...ca.trustBundle,
    sequence: 2n,
    rootsDer: [...ca.trustBundle.rootsDer, ...other.trustBundle.rootsDer],
  };
  await identity.start(forever);
  await advanceUntil(clock, () => identity.holder.get().trustBundle.sequence === 2n);
  expect(identity.holder.get().trustBundle.rootsDer).toHaveLength(2);
  state.trustBundle = { ...ca.trustBundle, sequence: 1n };
  await clock.waitForSleep();
  clock.advance(301_000);
  await clock.waitForSleep();
  expect(identity.holder.get().trustBundle.sequence).toBe(2n);
});
