import { RotationPhase } from "@drawbridge/contracts/certs/v1/authority_service";
import { createTrustBundle, followTrustSuccession } from "@drawbridge/pki";
import { startTestPostgres, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  advanceRequest,
  anAgent,
  createRotationStack,
  issueAgent,
  issueService,
  startRequest,
  until,
} from "./rotation-harness.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 120_000);
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
}, 60_000);

const { ROTATION_PHASE_INIT, ROTATION_PHASE_UPDATE_CLIENTS, ROTATION_PHASE_UPDATE_SERVERS, ROTATION_PHASE_STANDBY } =
  RotationPhase;

test("a service's certificate is in use from its first acknowledgement, with its next renewal; nobody speaks for another's", async () => {
  await using stack = await createRotationStack(postgres);
  const authority = await stack.start();
  const operator = await stack.callerOf(authority, "management-api");
  const resolver = await stack.callerOf(authority, "config-resolver");
  const recordOf = async (service: string) => {
    const { serialNumber } = await authority.identityOf(service);
    return { serialNumber, record: (await operator.getCertificate({ serialNumber })).certificate };
  };
  const [own, foreign] = [await recordOf("config-resolver"), await recordOf("activation")];
  expect(own.record).toMatchObject({ activatedAt: undefined, renewAt: undefined });
  const renewAt = new Date(Date.now() + 3_600_000);
  for (const { serialNumber } of [own, foreign]) {
    const says = { replica: "config-resolver-0", trustBundleSequence: 1n, certificateSerial: serialNumber, renewAt };
    await resolver.acknowledgeTrustBundle(says);
  }
  expect((await recordOf("config-resolver")).record).toMatchObject({ activatedAt: expect.any(Date), renewAt });
  expect((await recordOf("activation")).record).toMatchObject({ activatedAt: undefined, renewAt: undefined });
});

test("the root is replaced: each phase waits for its followers, the old root leaves last (R8, REN 6)", async () => {
  await using stack = await createRotationStack(postgres);
  const { runtimeManager } = stack;
  const authority = await stack.start();
  await using _second = await stack.start({ DRAWBRIDGE_REPLICA: "cert-authority-1" });
  const activation = await stack.callerOf(authority, "activation");
  const operator = await stack.callerOf(authority, "management-api");
  const resolver = await stack.callerOf(authority, "config-resolver");
  const before = await operator.getTrustBundle({});
  if (!before.trustBundle) throw new Error("no bundle");
  const oldCertificate = await issueAgent(activation);
  const serviceSerial = (await authority.identityOf("config-resolver")).serialNumber;
  const says = (trustBundleSequence: bigint, certificateSerial: string) =>
    resolver.acknowledgeTrustBundle({ replica: "config-resolver-0", trustBundleSequence, certificateSerial });
  const serials = {
    certificateSerial: oldCertificate.serialNumber,
    collectorCertificateSerial: oldCertificate.serialNumber,
  };
  runtimeManager.followers = [anAgent(serials), anAgent({ fabricName: "asleep", live: false })];
  await says(1n, serviceSerial);

  // init: both roots are in the bundle, everything is issued under the old one.
  const request = startRequest();
  const { status: started } = await operator.startRotation(request);
  expect(started?.phase).toBe(ROTATION_PHASE_INIT);
  stack.trust(started?.trustBundle);
  expect((await operator.startRotation(request)).status?.phase).toBe(ROTATION_PHASE_INIT); // a retry
  await expect(operator.startRotation(startRequest())).rejects.toMatchObject({ code: "ROTATION_IN_PROGRESS" });
  expect((await issueAgent(activation)).rootPin).toBe(oldCertificate.rootPin);
  expect((await says(1n, serviceSerial)).trustBundle).toMatchObject({ sequence: 2n, rootsDer: { length: 2 } });
  await says(2n, serviceSerial);
  const acknowledgedByAuthority = async () => {
    const { followers } = await operator.getAuthorityStatus({});
    return followers.filter(
      ({ name, trustBundleSequence }) => name.startsWith("cert-authority/") && trustBundleSequence === 2n,
    );
  };
  await until(async () => (await acknowledgedByAuthority()).length === 2, "both replicas of cert-authority");
  const waiting = await operator.getAuthorityStatus({});
  expect(waiting).toMatchObject({ phase: ROTATION_PHASE_INIT, waitingFor: 2 });
  expect(waiting.followers.slice(0, 2).map(({ kind, name }) => [kind, name])).toEqual([
    ["agent", "berlin-1"],
    ["collector", "berlin-1"],
  ]);
  await expect(operator.advanceRotation(advanceRequest(ROTATION_PHASE_INIT))).rejects.toMatchObject({
    code: "ROTATION_NOT_ACKNOWLEDGED",
    message: expect.stringContaining("agent berlin-1"),
  });
  runtimeManager.followers = [anAgent({ ...serials, trustBundleSequence: 2n })];

  // update_clients: fabrics under the new root, services under the old one.
  await stack.waitForPhase("update_clients");
  await until(async () => (await issueAgent(activation)).rootPin !== oldCertificate.rootPin, "the new root");
  const renewed = await issueAgent(activation);
  expect((await issueService(operator)).rootPin).toBe(oldCertificate.rootPin);
  expect((await says(2n, serviceSerial)).renewNow).toBe(false);
  expect(await operator.getAuthorityStatus({})).toMatchObject({ waitingFor: 2 });
  runtimeManager.followers = [
    anAgent({
      trustBundleSequence: 2n,
      certificateSerial: renewed.serialNumber,
      collectorCertificateSerial: renewed.serialNumber,
    }),
  ];

  // update_servers: services under the new root; cert-authority's own replicas follow by themselves.
  await stack.waitForPhase("update_servers");
  await until(async () => (await says(2n, serviceSerial)).renewNow, "the wish to renew");
  const renewedService = await issueService(resolver);
  expect(renewedService.rootPin).toBe(renewed.rootPin);
  expect((await says(2n, renewedService.serialNumber)).renewNow).toBe(false);
  await stack.waitForPhase("standby");

  // The old root is trusted for as long as something live chains to it.
  expect((await operator.getAuthorityStatus({})).trustBundle?.rootsDer).toHaveLength(2);
  const links = await activation.getTrustSuccession({ rootSpkiSha256: [oldCertificate.rootPin] });
  expect(links.links).toHaveLength(1);
  await stack.endOldLeaves();
  const bundleOf = async () =>
    (await stack.store.db.selectFrom("trust_bundle").select("sequence").executeTakeFirst())?.sequence;
  await until(async () => (await bundleOf()) === "3", "the old root to leave");
  const keys = await stack.store.db.selectFrom("ca_key").select(["kind", "state", "sealed_private_key"]).execute();
  const retired = keys.filter(({ state }) => state === "retired");
  expect(retired.map(({ kind }) => kind).toSorted()).toEqual(["issuing", "root"]);
  expect(retired.every(({ sealed_private_key: key }) => key === null)).toBe(true);

  // Who was away for all of it finds the way by signatures alone.
  const rows = await stack.store.db.selectFrom("trust_succession").select("jws").orderBy("sequence").execute();
  const current = await followTrustSuccession(
    createTrustBundle(before.trustBundle),
    rows.map(({ jws }) => jws),
  );
  expect(current).toMatchObject({ sequence: 3n, rootsDer: { length: 1 } });
}, 90_000);

test("force goes on without the followers that are behind, and names them (R8)", async () => {
  await using stack = await createRotationStack(postgres);
  const authority = await stack.start({ DRAWBRIDGE_ROTATION_GRACE_SECONDS: "3600" });
  const operator = await stack.callerOf(authority, "management-api");
  stack.runtimeManager.followers = [anAgent({})];
  const inStandby = operator.advanceRotation(advanceRequest(ROTATION_PHASE_STANDBY));
  await expect(inStandby).rejects.toMatchObject({ code: "ROTATION_NOT_STARTED" });
  await operator.startRotation(startRequest());
  const wrong = operator.advanceRotation(advanceRequest(ROTATION_PHASE_UPDATE_SERVERS, true));
  await expect(wrong).rejects.toMatchObject({ code: "ROTATION_PHASE_CHANGED" });
  const forced = await operator.advanceRotation(advanceRequest(ROTATION_PHASE_INIT, true));
  expect(forced.status?.phase).toBe(ROTATION_PHASE_UPDATE_CLIENTS);
  expect(forced.stranded).toContainEqual(expect.objectContaining({ kind: "agent", name: "berlin-1" }));
});

test("without runtime-manager a rotation neither goes on nor is forced on, and says why (R8)", async () => {
  await using stack = await createRotationStack(postgres);
  const authority = await stack.start({ DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: "127.0.0.1:1" });
  const operator = await stack.callerOf(authority, "management-api");
  await operator.startRotation(startRequest());
  const forced = operator.advanceRotation(advanceRequest(ROTATION_PHASE_INIT, true));
  await expect(forced).rejects.toMatchObject({ code: "ROTATION_FOLLOWERS_UNKNOWN", kind: "unavailable" });
  const { phase, alerts } = await operator.getAuthorityStatus({});
  expect(phase).toBe(ROTATION_PHASE_INIT);
  expect(alerts).toContainEqual(expect.stringContaining("runtime-manager does not say"));
});

test.each([
  ["init", []],
  ["update_clients", [ROTATION_PHASE_INIT]],
  ["update_servers", [ROTATION_PHASE_INIT, ROTATION_PHASE_UPDATE_CLIENTS]],
] as const)(
  "rolled back from %s, everything is under the old root again and the new one leaves (R8)",
  async (_phase, steps) => {
    await using stack = await createRotationStack(postgres);
    const authority = await stack.start({ DRAWBRIDGE_ROTATION_GRACE_SECONDS: "3600" });
    const operator = await stack.callerOf(authority, "management-api");
    const activation = await stack.callerOf(authority, "activation");
    const old = await issueAgent(activation);
    const early = operator.rollBackRotation({ requestedBy: "ada", reason: "" });
    await expect(early).rejects.toMatchObject({ code: "ROTATION_NOT_STARTED" });
    stack.trust((await operator.startRotation(startRequest())).status?.trustBundle);
    for (const step of steps) await operator.advanceRotation(advanceRequest(step, true));
    const underNew = (await issueAgent(activation)).rootPin !== old.rootPin;
    expect(underNew).toBe(steps.length > 0);
    const { status } = await operator.rollBackRotation({ requestedBy: "ada", reason: "trial" });
    expect(status?.phase).toBe(RotationPhase.ROTATION_PHASE_ROLLBACK);
    const again = [(await issueAgent(activation)).rootPin, (await issueService(operator)).rootPin];
    expect(again).toEqual([old.rootPin, old.rootPin]);
    await stack.endOldLeaves();
    await stack.waitForPhase("standby");
    expect((await issueAgent(activation)).rootPin).toBe(old.rootPin);
    const { keys, trustBundle } = await operator.getAuthorityStatus({});
    expect(trustBundle).toMatchObject({ sequence: 3n, rootsDer: { length: 1 } });
    expect(
      keys.filter(({ kind, state }) => kind === "root" && state === 2).map(({ spkiSha256 }) => spkiSha256),
    ).toEqual([old.rootPin]);
  },
  60_000,
);
