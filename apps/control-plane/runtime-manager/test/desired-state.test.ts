import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LockReason } from "@drawbridge/contracts/runtime/v1/agent_service";
import { AppPhase, DesiredState } from "@drawbridge/contracts/runtime/v1/app";
import { FabricExistence } from "@drawbridge/contracts/runtime/v1/fabric_existence_service";
import {
  addressOf,
  aDeploy,
  aFabric,
  aRequest,
  codeOf,
  startWorld,
  until,
  type Replica,
  type World,
} from "./harness.ts";
import { aStatus } from "./simulated-agent.ts";

const suite = new AsyncDisposableStack();
let world: World;
let replica: Replica;
beforeAll(async () => {
  world = suite.use(await startWorld());
  replica = suite.use(await world.startReplica());
});
afterAll(() => suite.disposeAsync());

async function generationOf(fabricId: string): Promise<bigint> {
  const { fabric } = await replica.fabrics.getFabric({ org: "acme", fabric: fabricId });
  return fabric?.desiredGeneration ?? -1n;
}

test("creates a fabric once per name and adds environments to it", async () => {
  const fabric = await aFabric(world, replica);
  const again = await replica.fabrics.createFabric({
    org: "acme",
    name: fabric.name,
    region: "",
    environments: ["test"],
  });
  expect(again.created).toBe(false);
  expect(again.fabric).toMatchObject({ fabricId: fabric.fabricId, environments: ["dev", "prod", "test"] });
});

test("without environments an existing fabric stays as it is, and a new one is refused", async () => {
  const fabric = await aFabric(world, replica);
  const request = { org: "acme", name: fabric.name, region: "", environments: [] };
  expect(await replica.fabrics.createFabric(request)).toMatchObject({
    created: false,
    fabric: { fabricId: fabric.fabricId, environments: ["dev", "prod"] },
  });
  await expect(replica.fabrics.createFabric({ ...request, name: "not-there-1" })).rejects.toMatchObject({
    kind: "invalid_argument",
    code: "FABRIC_ENVIRONMENTS_INVALID",
  });
});

test("tells cert-authority and activation, and nobody else, whether a fabric was deleted", async () => {
  const fabric = await aFabric(world, replica);
  const { fabricId } = fabric;
  const neverExisted = FabricExistence.FABRIC_EXISTENCE_NEVER_EXISTED;
  const exists = FabricExistence.FABRIC_EXISTENCE_EXISTS;
  for (const service of ["cert-authority", "activation"]) {
    const existence = await replica.existenceAs(service);
    expect(await existence.checkFabric({ fabricId })).toEqual({ existence: exists });
    expect(await existence.checkFabric({ fabricId: randomUUID() })).toEqual({ existence: neverExisted });
    expect(await existence.checkFabric({ fabricId: "' OR true" })).toEqual({ existence: neverExisted });
  }
  await expect((await replica.existenceAs("config-resolver")).checkFabric({ fabricId })).rejects.toMatchObject({
    kind: "permission_denied",
  });
  await replica.fabrics.deleteFabric({ org: "acme", fabric: fabric.name, force: false });
  const existence = await replica.existenceAs("activation");
  const deleted = FabricExistence.FABRIC_EXISTENCE_DELETED;
  expect(await existence.checkFabric({ fabricId })).toEqual({ existence: deleted });
});

test("every change of an app is one generation of its fabric (R16)", async () => {
  const fabric = await aFabric(world, replica);
  const first = await replica.apps.deployApp(aDeploy(fabric, "orders-1"));
  expect(first).toMatchObject({ changed: true, app: { spec: { generation: 1n, revision: 1n, replicas: 1 } } });
  await replica.apps.scaleApp({ ...aRequest("orders-1"), replicas: 3 });
  await replica.apps.setDesiredState({ ...aRequest("orders-1"), desiredState: DesiredState.DESIRED_STATE_STOPPED });
  const restarted = await replica.apps.restartApp(aRequest("orders-1"));
  expect(restarted.app?.spec).toMatchObject({
    generation: 4n,
    revision: 1n,
    replicas: 3,
    desiredState: DesiredState.DESIRED_STATE_STOPPED,
  });
  expect(await generationOf(fabric.fabricId)).toBe(5n); // 1 when it was created
});

test("a deploy that changes nothing is no new generation", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "same-1"));
  const before = await generationOf(fabric.fabricId);
  const again = await replica.apps.deployApp(aDeploy(fabric, "same-1"));
  expect(again.changed).toBe(false);
  expect(await generationOf(fabric.fabricId)).toBe(before);
});

test("a repeated request_id answers with the same result and changes nothing twice", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "twice-1"));
  const request = aRequest("twice-1");
  const answers = await Promise.all(Array.from({ length: 20 }, () => replica.apps.restartApp(request)));
  expect(new Set(answers.map((answer) => answer.app?.spec?.generation))).toEqual(new Set([2n]));
  await replica.apps.scaleApp({ ...aRequest("twice-1"), replicas: 2 });
  const late = await replica.apps.restartApp(request);
  expect(late).toEqual(answers[0]);
});

test("a request_id does not stand for two requests", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "reused-1"));
  const requestId = randomUUID();
  await replica.apps.scaleApp({ ...aRequest("reused-1"), requestId, replicas: 2 });
  await expect(replica.apps.scaleApp({ ...aRequest("reused-1"), requestId, replicas: 3 })).rejects.toMatchObject({
    code: "REQUEST_ID_REUSED",
  });
});

test("concurrent first deploys of one request create one app", async () => {
  const fabric = await aFabric(world, replica);
  const request = aDeploy(fabric, "created-1");
  const answers = await Promise.all(Array.from({ length: 10 }, () => replica.apps.deployApp(request)));
  expect(new Set(answers.map((answer) => answer.app?.spec?.appId)).size).toBe(1);
  expect(await generationOf(fabric.fabricId)).toBe(2n);
});

test("commands for one fabric that arrive at once all happen, each in a generation of its own", async () => {
  const fabric = await aFabric(world, replica);
  const names = ["m-1", "m-2", "m-3"];
  await Promise.all(names.map((name) => replica.apps.deployApp(aDeploy(fabric, name))));
  const restarts = names.flatMap((name) => Array.from({ length: 5 }, () => replica.apps.restartApp(aRequest(name))));
  const answers = await Promise.all(restarts);
  for (const name of names) {
    const mine = answers.flatMap(({ app }) => (app?.spec?.name === name ? [app.spec.generation] : []));
    expect(new Set(mine)).toEqual(new Set([2n, 3n, 4n, 5n, 6n]));
  }
  expect(await generationOf(fabric.fabricId)).toBe(19n);
});

test("of commands that arrive together, one that is refused does not spoil the others", async () => {
  const fabrics = await Promise.all(Array.from({ length: 4 }, () => aFabric(world, replica)));
  const [first] = fabrics;
  if (!first) throw new Error("there are four");
  await replica.apps.deployApp(aDeploy(first, "taken-1", { publicPort: 18_081 }));
  const outcomes = await Promise.allSettled(
    fabrics.map((fabric, n) => replica.apps.deployApp(aDeploy(fabric, `together-${n}`, { publicPort: 18_081 }))),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled", "fulfilled"]);
  expect(outcomes[0]).toMatchObject({ reason: { code: "PUBLIC_PORT_TAKEN" } });
});

test("a rollback is a new revision with the content of an old one", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "rolled-1", { letter: "a" }));
  await replica.apps.deployApp(aDeploy(fabric, "rolled-1", { letter: "b" }));
  const back = await replica.apps.rollbackApp({ ...aRequest("rolled-1"), toRevision: 1n });
  expect(back.app?.spec).toMatchObject({ revision: 3n, version: "1.0.a" });
  const { revisions } = await replica.apps.listRevisions({ app: addressOf("rolled-1"), pageSize: 2, pageToken: "" });
  expect(revisions.map(({ revision, cause, current }) => ({ revision, cause, current }))).toEqual([
    { revision: 3n, cause: "rollback to 1", current: true },
    { revision: 2n, cause: "deploy", current: false },
  ]);
  await expect(replica.apps.rollbackApp({ ...aRequest("rolled-1"), toRevision: 9n })).rejects.toMatchObject({
    code: "REVISION_NOT_FOUND",
  });
});

test("a rollback without a revision goes to the last one that served, past those that failed", async () => {
  const fabric = await aFabric(world, replica);
  const first = await replica.apps.deployApp(aDeploy(fabric, "fled-1", { letter: "a" }));
  const appId = first.app?.spec?.appId ?? "";
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const observed = (generation: bigint, servingRevision: bigint, phase: AppPhase) =>
    agent.report({ apps: [aStatus(appId, { observedGeneration: generation, servingRevision, phase })] });
  await observed(1n, 1n, AppPhase.APP_PHASE_RUNNING);
  for (const [generation, letter] of [
    [2n, "b"],
    [3n, "c"],
  ] as const) {
    await replica.apps.deployApp(aDeploy(fabric, "fled-1", { letter }));
    await observed(generation, 1n, AppPhase.APP_PHASE_FAILED);
  }

  const back = await replica.apps.rollbackApp({ ...aRequest("fled-1"), toRevision: 0n });
  expect(back.app?.spec).toMatchObject({ revision: 4n, version: "1.0.a" });
  const { revisions } = await replica.apps.listRevisions({ app: addressOf("fled-1"), pageSize: 10, pageToken: "" });
  expect(revisions.map(({ cause, servedAt }) => [cause, servedAt !== undefined])).toEqual([
    ["rollback to 1", false],
    ["deploy", false],
    ["deploy", false],
    ["deploy", true],
  ]);
});

test("a revision counts as served by what the agent says while it brings up a later one, not while it fails itself", async () => {
  const fabric = await aFabric(world, replica);
  const first = await replica.apps.deployApp(aDeploy(fabric, "seen-1", { letter: "a" }));
  const appId = first.app?.spec?.appId ?? "";
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const servedRevisions = async () => {
    const { revisions } = await replica.apps.listRevisions({ app: addressOf("seen-1"), pageSize: 10, pageToken: "" });
    return revisions.filter(({ servedAt }) => servedAt).map(({ revision }) => revision);
  };
  // One of its replicas answers, the others do not come up.
  await agent.report({ apps: [aStatus(appId, { servingRevision: 1n, phase: AppPhase.APP_PHASE_FAILED })] });
  expect(await servedRevisions()).toEqual([]);
  await replica.apps.deployApp(aDeploy(fabric, "seen-1", { letter: "b" }));
  const later = { observedGeneration: 2n, servingRevision: 1n, phase: AppPhase.APP_PHASE_PROGRESSING };
  await agent.report({ apps: [aStatus(appId, later)] });
  expect(await servedRevisions()).toEqual([1n]);
});

test("a rollback without a revision is refused when none ever served, and names those that there are", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "lost-1", { letter: "a" }));
  const refused = () => replica.apps.rollbackApp({ ...aRequest("lost-1"), toRevision: 0n });
  await expect(refused()).rejects.toMatchObject({ code: "NO_SERVED_REVISION" });
  await replica.apps.deployApp(aDeploy(fabric, "lost-1", { letter: "b" }));
  await expect(refused()).rejects.toMatchObject({
    code: "NO_SERVED_REVISION",
    message: expect.stringContaining("1 (version 1.0.a, never served)"),
  });
});

test.each([
  [
    "an environment that the fabric does not run",
    { app: { org: "acme", environment: "qa", name: "x-1" } },
    "ENVIRONMENT_NOT_ON_FABRIC",
  ],
  ["more than 100 replicas", { replicas: 101 }, "REPLICAS_OUT_OF_RANGE"],
  ["a name that is no DNS label", { app: { org: "acme", environment: "prod", name: "Orders" } }, "APP_NAME_INVALID"],
  ["a fabric that does not exist", { fabric: "nowhere" }, "FABRIC_NOT_FOUND"],
  ["a bundle without a digest", { bundle: undefined }, "ARTEFACT_INVALID"],
])("refuses %s", async (_what, change, code) => {
  const fabric = await aFabric(world, replica);
  await expect(replica.apps.deployApp(aDeploy(fabric, "refused-1", change))).rejects.toMatchObject({ code });
});

test("a public port belongs to one app of a fabric", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "port-1", { publicPort: 18_080 }));
  await expect(replica.apps.deployApp(aDeploy(fabric, "port-2", { publicPort: 18_080 }))).rejects.toMatchObject({
    code: "PUBLIC_PORT_TAKEN",
  });
});

test("an app stays on its fabric until it is deleted there", async () => {
  const [one, other] = [await aFabric(world, replica), await aFabric(world, replica)];
  await replica.apps.deployApp(aDeploy(one, "moved-1"));
  await expect(replica.apps.deployApp(aDeploy(other, "moved-1"))).rejects.toMatchObject({
    code: "APP_ON_OTHER_FABRIC",
  });
  for (const fabric of ["nowhere", randomUUID()]) {
    await expect(replica.apps.deployApp(aDeploy(one, "moved-1", { fabric }))).rejects.toMatchObject({
      code: "FABRIC_NOT_FOUND",
    });
  }
});

test("a tombstone stays until the agent reports that the app is gone, then the name is free of it", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "gone-1"));
  const appId = app?.spec?.appId ?? "";
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await replica.apps.deleteApp(aRequest("gone-1"));
  await agent.next("notify");
  const fetched = await agent.fetch();
  expect(fetched.snapshot).toMatchObject({ apps: [], tombstones: [{ appId, name: "gone-1" }], complete: true });
  expect((await replica.apps.getApp({ app: addressOf("gone-1") })).app?.deleting).toBe(true);
  await agent.report({
    observedGeneration: fetched.snapshot.generation,
    snapshotDigest: fetched.digest,
    removedAppIds: [appId],
  });
  await agent.next("notify");
  expect((await agent.fetch()).snapshot.tombstones).toEqual([]);
  await expect(replica.apps.getApp({ app: addressOf("gone-1") })).rejects.toMatchObject({ code: "APP_NOT_FOUND" });
});

test("an app that nobody deleted stays, whatever the agent says it removed", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "kept-1"));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await agent.report({ removedAppIds: [app?.spec?.appId ?? ""] });
  expect((await replica.apps.getApp({ app: addressOf("kept-1") })).app?.deleting).toBe(false);
});

test("a snapshot carries a prune token only when operators deleted more than half of at least three apps", async () => {
  const fabric = await aFabric(world, replica);
  for (const name of ["p-1", "p-2", "p-3"]) await replica.apps.deployApp(aDeploy(fabric, name));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await replica.apps.deleteApp(aRequest("p-1"));
  expect((await agent.fetch()).snapshot.pruneToken).toBe("");
  await replica.apps.deleteApp(aRequest("p-2"));
  expect((await agent.fetch()).snapshot.pruneToken).toMatch(/^prune1\./);
});

test("a fabric fetches only what is deployed to it or could be rolled back to there (MGT 2)", async () => {
  const [one, other] = [await aFabric(world, replica), await aFabric(world, replica)];
  await replica.apps.deployApp(aDeploy(one, "entitled-1", { letter: "c" }));
  await replica.apps.deployApp(aDeploy(one, "entitled-1", { letter: "d" }));
  const check = async (fabricId: string, letter: string) =>
    (await replica.entitlements.checkEntitlement({ fabricId, digest: `sha256:${letter.repeat(64)}`, agentId: "" }))
      .entitled;
  expect(await Promise.all([check(one.fabricId, "c"), check(one.fabricId, "d"), check(one.fabricId, "e")])).toEqual([
    true,
    true,
    false,
  ]);
  expect(await check(other.fabricId, "c")).toBe(false);
});

test("a locked agent fetches nothing, not even what is deployed to its fabric (REN 7)", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "locked-2", { letter: "f" }));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const { identity } = fabric.identity;
  if (identity.kind !== "agent") throw new Error("the identity of an agent");
  const { agentId, fabricId } = identity;
  const question = { fabricId, digest: `sha256:${"f".repeat(64)}`, agentId };
  expect(await replica.entitlements.checkEntitlement(question)).toEqual({ entitled: true });
  const standings = await replica.agentsAs("activation");
  await standings.lockAgent({ agentId, reason: LockReason.LOCK_REASON_STALE_JOIN_STATE, message: "an old join state" });
  await expect(replica.entitlements.checkEntitlement(question)).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  await standings.unlockAgent({ agentId, requestedBy: "alice" });
  expect(await replica.entitlements.checkEntitlement(question)).toEqual({ entitled: true });
});

test("deletes a fabric with apps only by force, and its tunnel is closed", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "forced-1"));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const target = { org: "acme", fabric: fabric.name };
  await expect(replica.fabrics.deleteFabric({ ...target, force: false })).rejects.toMatchObject({
    code: "FABRIC_HAS_APPS",
  });
  await replica.fabrics.deleteFabric({ ...target, force: true });
  expect((await agent.next("kick")).value.reason).toBe("FABRIC_DELETED");
  await using again = await fabric.connect(replica, { epoch: 2n });
  // Its certificate is revoked as well, in the background: either reason may come first.
  expect(["FABRIC_DELETED", "AGENT_REVOKED"]).toContain(codeOf(await again.ended));
  await until(async () => {
    const { certificate } = await world.authority.getCertificate({ serialNumber: fabric.identity.serialNumber });
    return certificate?.revokedAt;
  });
});

test("pages of apps hold every app once, by environment and name", async () => {
  const fabric = await aFabric(world, replica);
  const names = ["l-1", "l-2", "l-3", "l-4", "l-5"];
  for (const name of names) await replica.apps.deployApp(aDeploy(fabric, name));
  const seen: string[] = [];
  let pageToken = "";
  do {
    const page = await replica.apps.listApps({
      org: "acme",
      environments: ["prod"],
      fabric: fabric.name,
      pageSize: 2,
      pageToken,
    });
    seen.push(...page.apps.map((app) => app.spec?.name ?? ""));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen).toEqual(names);
});

test("what an agent reports is shown with the app, and as memory once the fabric is not connected", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "shown-1"));
  const appId = app?.spec?.appId ?? "";
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await agent.report({ apps: [aStatus(appId, { appliedDigest: app?.spec?.specDigest ?? "" })] });
  const shown = await replica.apps.getApp({ app: addressOf("shown-1") });
  expect(shown.app).toMatchObject({
    statusCurrent: true,
    status: { readyReplicas: 1, appliedDigest: app?.spec?.specDigest },
  });
  await agent.cut();
  await until(async () =>
    (await replica.apps.getApp({ app: addressOf("shown-1") })).app?.statusCurrent ? undefined : true,
  );
});
