import { randomUUID } from "node:crypto";
import { AppPhase } from "@drawbridge/contracts/runtime/v1/app";
import { FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addressOf,
  aDeploy,
  aFabric,
  aLine,
  aRequest,
  codeOf,
  readLogs,
  startWorld,
  until,
  type Replica,
  type World,
} from "./harness.ts";
import { aStatus, openTunnel } from "./simulated-agent.ts";

const suite = new AsyncDisposableStack();
let world: World;
let replica: Replica;
beforeAll(async () => {
  world = suite.use(await startWorld());
  replica = suite.use(
    await world.startReplica("replica-a", {
      HEARTBEAT_MS: 1_000,
      DEAD_AFTER_MS: 2_000,
      DISCONNECTED_AFTER_MS: 4_000,
      SEEN_FLUSH_MS: 200,
    }),
  );
});
afterAll(() => suite.disposeAsync());

async function fabricOf(fabricId: string) {
  const { fabric } = await replica.fabrics.getFabric({ org: "acme", fabric: fabricId });
  if (!fabric) throw new Error("the fabric is gone");
  return fabric;
}

test("welcomes an agent with the terms of its session, and shows what it told (META 1)", async () => {
  const fabric = await aFabric(world, replica);
  expect((await fabricOf(fabric.fabricId)).state).toBe(FabricState.FABRIC_STATE_PENDING);
  await using agent = await fabric.connect(replica, { epoch: 1n });
  const { value } = await agent.next("welcome");
  expect(value).toMatchObject({
    epoch: 1n,
    protocol: 1,
    heartbeatMs: 1_000,
    deadAfterMs: 2_000,
    replica: "replica-a",
    desiredGeneration: 1n,
  });
  expect(value.desiredDigest).toBe((await agent.fetch()).digest);
  expect(await fabricOf(fabric.fabricId)).toMatchObject({
    state: FabricState.FABRIC_STATE_CONNECTED,
    tunnelReplica: "replica-a",
    certificateSerial: fabric.identity.serialNumber,
    cluster: { driver: "process", nodes: 1, logsAllowed: true },
  });
});

test("tells the agent of a deploy at once, and the snapshot holds it", async () => {
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "news-1"));
  const { value: notified } = await agent.next("notify");
  const fetched = await agent.fetch();
  expect(fetched).toMatchObject({
    digest: notified.digest,
    snapshot: { generation: notified.generation, fabricId: fabric.fabricId },
  });
  expect(fetched.snapshot.apps).toEqual([app?.spec]);
  expect((await agent.fetch(fetched.digest)).notModified).toBe(true);
});

test("an epoch that is not higher than the last is refused with the last one (R11)", async () => {
  const fabric = await aFabric(world, replica);
  await using current = await fabric.connect(replica, { epoch: 5n });
  await current.next("welcome");
  for (const epoch of [4n, 5n]) {
    await using late = await fabric.connect(replica, { epoch });
    expect(await late.ended).toMatchObject({ code: "EPOCH_SUPERSEDED", details: { epoch: "5" } });
  }
  expect((await current.heartbeat()).desiredGeneration).toBe(1n);
});

test("a higher epoch takes over and the earlier session is told why it ends", async () => {
  const fabric = await aFabric(world, replica);
  await using earlier = await fabric.connect(replica, { epoch: 1n });
  await earlier.next("welcome");
  await using later = await fabric.connect(replica, { epoch: 2n });
  await later.next("welcome");
  expect((await earlier.next("kick")).value.reason).toBe("EPOCH_SUPERSEDED");
});

test("the late end of an earlier epoch changes no status (R12)", async () => {
  const fabric = await aFabric(world, replica);
  await using earlier = await fabric.connect(replica, { epoch: 1n });
  await earlier.next("welcome");
  await using later = await fabric.connect(replica, { epoch: 2n });
  await later.next("welcome");
  await earlier.ended;
  await later.heartbeat();
  await until(async () =>
    replica.log
      .withMessage("tunnel closed")
      .some((record) => record["agent_id"] === agentIdOf(fabric) && record["epoch"] === "1")
      ? true
      : undefined,
  );
  expect(await fabricOf(fabric.fabricId)).toMatchObject({
    state: FabricState.FABRIC_STATE_CONNECTED,
    tunnelReplica: "replica-a",
  });
});

test("a report of an earlier epoch is not stored", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "fenced-1"));
  await using earlier = await fabric.connect(replica, { epoch: 1n });
  await earlier.next("welcome");
  await using later = await fabric.connect(replica, { epoch: 2n });
  await later.next("welcome");
  await expect(earlier.report({ apps: [aStatus(app?.spec?.appId ?? "")] })).rejects.toBeDefined();
  expect((await replica.apps.getApp({ app: addressOf("fenced-1") })).app?.status).toBeUndefined();
});

test("a fabric without a sign of life becomes unreachable, then disconnected, and connected again (R12)", async () => {
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await agent.cut();
  const reached = async (state: FabricState) =>
    until(async () => ((await fabricOf(fabric.fabricId)).state === state ? true : undefined));
  await reached(FabricState.FABRIC_STATE_UNREACHABLE);
  await reached(FabricState.FABRIC_STATE_DISCONNECTED);
  await using again = await fabric.connect(replica, { epoch: 2n });
  await again.next("welcome");
  expect((await fabricOf(fabric.fabricId)).state).toBe(FabricState.FABRIC_STATE_CONNECTED);
});

test("a tunnel whose agent says nothing is cut when it counts as dead", async () => {
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  expect(await agent.ended).toBeDefined();
});

test("a report counts only for apps of the fabric, never goes back, and is announced by its phase", async () => {
  const [one, other] = [await aFabric(world, replica), await aFabric(world, replica)];
  const { app } = await replica.apps.deployApp(aDeploy(one, "phase-1"));
  await replica.apps.scaleApp({ ...aRequest("phase-1"), replicas: 2 });
  const appId = app?.spec?.appId ?? "";
  const status = async () => (await replica.apps.getApp({ app: addressOf("phase-1") })).app?.status;
  await using intruder = await other.connect(replica, { epoch: 1n });
  await intruder.next("welcome");
  await intruder.report({ apps: [aStatus(appId)] });
  expect(await status()).toBeUndefined();
  await using agent = await one.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await agent.report({ apps: [aStatus(appId, { observedGeneration: 2n })] });
  await agent.report({ apps: [aStatus(appId, { observedGeneration: 1n, phase: AppPhase.APP_PHASE_FAILED })] });
  expect(await status()).toMatchObject({ observedGeneration: 2n, phase: AppPhase.APP_PHASE_RUNNING });
  await agent.report({ apps: [aStatus(appId, { observedGeneration: 99n, phase: AppPhase.APP_PHASE_FAILED })] });
  expect((await status())?.observedGeneration).toBe(2n);
});

test("a clock that is two minutes ahead is measured and raises an alert (R21)", async () => {
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, {
    epoch: 1n,
    hello: { agentTime: new Date(Date.now() + 120_000) },
  });
  await agent.next("welcome");
  const shown = await until(async () => {
    const found = await fabricOf(fabric.fabricId);
    return found.alerts.length === 0 ? undefined : found;
  });
  expect(shown.alerts).toMatchObject([{ reason: "ClockSkew" }]);
  expect(Number(shown.clockSkewMs)).toBeGreaterThan(100_000);
});

test("a fabric's own limits end the alert at once and come with its next welcome; one refused changes nothing (R21)", async () => {
  const fabric = await aFabric(world, replica);
  const ahead = { agentTime: new Date(Date.now() + 120_000) };
  await using agent = await fabric.connect(replica, { epoch: 1n, hello: ahead });
  const terms = { clockSkewWarnSeconds: 60, clockSkewFailSeconds: 300 };
  expect((await agent.next("welcome")).value).toMatchObject(terms);
  const alerts = async () => (await fabricOf(fabric.fabricId)).alerts.length;
  await until(async () => ((await alerts()) === 1 ? true : undefined));
  const about = { org: "acme", fabric: fabric.name };
  await expect(replica.fabrics.updateFabric({ ...about, clockSkewWarnSeconds: 90_000 })).rejects.toMatchObject({
    code: "CLOCK_LIMITS_INVALID",
  });
  const own = { clockSkewWarnSeconds: 600, clockSkewFailSeconds: 900 };
  expect((await replica.fabrics.updateFabric({ ...about, ...own })).fabric).toMatchObject(own);
  await until(async () => ((await alerts()) === 0 ? true : undefined));
  await expect(replica.fabrics.updateFabric({ ...about, clockSkewFailSeconds: 30 })).rejects.toMatchObject({
    code: "CLOCK_LIMITS_INVALID",
  });
  await using again = await fabric.connect(replica, { epoch: 2n, hello: ahead });
  expect((await again.next("welcome")).value).toMatchObject(own);
  const reset = { clockSkewWarnSeconds: 0, clockSkewFailSeconds: 0 };
  expect((await replica.fabrics.updateFabric({ ...about, ...reset })).fabric).toMatchObject(terms);
});

test("a revoked certificate ends its tunnel within seconds and never says hello again (R9)", async () => {
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const { serialNumber } = fabric.identity;
  await world.authority.revokeCertificates({ target: { $case: "serialNumber", value: serialNumber }, reason: "lost" });
  expect((await agent.next("kick")).value.reason).toBe("AGENT_REVOKED");
  await using again = await fabric.connect(replica, { epoch: 2n });
  expect(await again.ended).toMatchObject({ code: "CERTIFICATE_REVOKED", details: { reason: "lost" } });
});

test("a fabric that is activated again gets a new agent, and the earlier one is out for good", async () => {
  const fabric = await aFabric(world, replica);
  await using earlier = await fabric.connect(replica, { epoch: 1n });
  await earlier.next("welcome");
  const identity = await world.issueAgent(fabric.fabricId);
  await using successor = await openTunnel({ address: replica.tunnelAddress, identity, epoch: 1n });
  await successor.next("welcome");
  expect((await earlier.next("kick")).value.reason).toBe("AGENT_SUPERSEDED");
  await using again = await fabric.connect(replica, { epoch: 2n });
  // Its certificates are revoked as well, in the background: either reason may come first.
  expect(["AGENT_SUPERSEDED", "AGENT_REVOKED"]).toContain(codeOf(await again.ended));
});

test.each([
  ["a protocol that is too new", { protocolMin: 2, protocolMax: 3 }, "VERSION_INCOMPATIBLE"],
  ["another agent's id", { agentId: randomUUID() }, "AGENT_ID_MISMATCH"],
])("refuses a hello with %s", async (_what, hello, code) => {
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, { epoch: 1n, hello });
  expect(await agent.ended).toMatchObject({ code });
});

test("refuses an agent whose fabric is not known", async () => {
  const identity = await world.issueAgent(randomUUID());
  await using agent = await openTunnel({ address: replica.tunnelAddress, identity, epoch: 1n });
  expect(await agent.ended).toMatchObject({ code: "AGENT_UNKNOWN" });
});

test("logs reach the operator line by line and end with the stream", async () => {
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "logs-1"));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const reading = readLogs(replica, "logs-1");
  const { value, correlationId } = await agent.next("logsRequest");
  expect(value).toEqual({ appId: app?.spec?.appId, replicaId: "", tailLines: 100, follow: false });
  agent.send(
    { $case: "logsChunk", value: { lines: [aLine("one"), aLine("two")], end: false, errorCode: "" } },
    correlationId,
  );
  agent.send({ $case: "logsChunk", value: { lines: [aLine("three")], end: true, errorCode: "" } }, correlationId);
  expect(await reading).toEqual(["one", "two", "three"]);
  expect(JSON.stringify(replica.log.records)).not.toContain("three");
});

test("a reader who leaves makes the agent stop", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "logs-2"));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const leaving = new AbortController();
  const reading = readLogs(replica, "logs-2", { follow: true, signal: leaving.signal });
  const { correlationId } = await agent.next("logsRequest");
  leaving.abort();
  await expect(reading).rejects.toBeDefined();
  expect((await agent.next("logsCancel")).correlationId).toBe(correlationId);
});

test("logs are refused at once where the fabric's owner does not allow them", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "logs-3"));
  const cluster = {
    driver: "process",
    agentVersion: "",
    clusterVersion: "",
    kubernetesVersion: "",
    containerRuntimeVersion: "",
    nodes: 1,
    cpuMillicores: 0n,
    memoryBytes: 0n,
    logsAllowed: false,
  };
  await using agent = await fabric.connect(replica, { epoch: 1n, hello: { cluster } });
  await agent.next("welcome");
  await expect(readLogs(replica, "logs-3")).rejects.toMatchObject({ code: "LOGS_NOT_ALLOWED" });
  expect(agent.frames.map(({ frame }) => frame.$case)).not.toContain("logsRequest");
});

test("logs of a fabric without a tunnel are refused", async () => {
  const fabric = await aFabric(world, replica);
  await replica.apps.deployApp(aDeploy(fabric, "logs-4"));
  await expect(readLogs(replica, "logs-4")).rejects.toMatchObject({ code: "FABRIC_NOT_CONNECTED" });
});

function agentIdOf(fabric: { readonly identity: { readonly identity: object } }): string {
  const { identity } = fabric.identity;
  return "agentId" in identity ? String(identity.agentId) : "";
}
