import { randomUUID } from "node:crypto";
import { LockReason } from "@drawbridge/contracts/runtime/v1/agent_service";
import { FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listenToEvents, type EventLog } from "./event-log.ts";
import { addressOf, aDeploy, aFabric, codeOf, startWorld, until, type Replica, type World } from "./harness.ts";

const suite = new AsyncDisposableStack();
const config = {
  HEARTBEAT_MS: 1_000,
  DEAD_AFTER_MS: 20_000,
  SEEN_FLUSH_MS: 200,
  DUPLICATE_AGENT_GRACE_SECONDS: 1,
  IDENTITY_CHECK_MS: 1_000,
};
let world: World;
let one: Replica;
let other: Replica;
let events: EventLog;
let standings: Awaited<ReturnType<Replica["agentsAs"]>>;
beforeAll(async () => {
  world = suite.use(await startWorld());
  one = suite.use(await world.startReplica("replica-1", config));
  other = suite.use(await world.startReplica("replica-2", config));
  for (const replica of [one, other]) await until(async () => ((await replica.readyz()).ready ? true : undefined));
  events = suite.use(await listenToEvents(world.nats));
  standings = await one.agentsAs("activation");
});
afterAll(() => suite.disposeAsync());

async function fabricOf(fabricId: string) {
  return (await other.fabrics.getFabric({ org: "acme", fabric: fabricId })).fabric;
}

function agentIdOf({ identity }: Awaited<ReturnType<typeof aFabric>>): string {
  return identity.identity.kind === "agent" ? identity.identity.agentId : "";
}

test("an agent that was never seen has no standing", async () => {
  await expect(standings.getAgentStanding({ agentId: randomUUID() })).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });
  await expect(standings.getAgentStanding({ agentId: "nobody" })).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });
});

test("a locked agent loses its tunnel at whatever replica and is refused until the lock is lifted; its apps stay", async () => {
  const fabric = await aFabric(world, one);
  const agentId = agentIdOf(fabric);
  const { app } = await one.apps.deployApp(aDeploy(fabric, "locked-1"));
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  expect((await standings.getAgentStanding({ agentId })).standing).toMatchObject({
    agentId,
    fabricId: fabric.fabricId,
    fabricName: fabric.name,
    org: "acme",
    connected: true,
    replaced: false,
    fabricDeleted: false,
    lockReason: LockReason.LOCK_REASON_UNSPECIFIED,
    certificateSerial: fabric.identity.serialNumber,
  });

  const lock = { agentId, reason: LockReason.LOCK_REASON_STALE_JOIN_STATE, message: "an old join state" };
  const { standing } = await standings.lockAgent(lock);
  expect(standing?.lockReason).toBe(LockReason.LOCK_REASON_STALE_JOIN_STATE);
  expect((await agent.next("kick")).value.reason).toBe("AGENT_LOCKED");
  await agent.ended;
  expect((await standings.lockAgent({ ...lock, message: "again" })).standing).toEqual({
    ...standing,
    connected: false,
  });
  for (const replica of [one, other]) {
    await using refused = await fabric.connect(replica, { epoch: 2n });
    expect(await refused.ended).toMatchObject({ code: "AGENT_LOCKED", details: { reason: "STALE_JOIN_STATE" } });
    await expect(refused.fetch()).rejects.toMatchObject({ code: "AGENT_LOCKED" });
  }
  expect(await fabricOf(fabric.fabricId)).toMatchObject({
    lockReason: "STALE_JOIN_STATE",
    lockMessage: "an old join state",
    desiredGeneration: 2n,
  });
  expect((await one.apps.getApp({ app: addressOf("locked-1") })).app?.spec).toEqual(app?.spec);

  await standings.unlockAgent({ agentId, requestedBy: "alice" });
  await standings.unlockAgent({ agentId, requestedBy: "bob" });
  await using again = await fabric.connect(one, { epoch: 3n });
  await again.next("welcome");
  expect(await fabricOf(fabric.fabricId)).toMatchObject({ lockReason: "", lockedAt: undefined });
  await until(async () => (events.factsOf(fabric.fabricId).includes("agent.unlocked") ? true : undefined));
  expect(events.payloadsOf(fabric.fabricId, "agent.locked")).toMatchObject([
    { agentId, reason: "STALE_JOIN_STATE", message: "an old join state" },
  ]);
  expect(events.payloadsOf(fabric.fabricId, "agent.unlocked")).toMatchObject([{ agentId, requestedBy: "alice" }]);
});

test("a lock reaches its tunnel within seconds also while NATS is away", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  await world.nats.stop();
  try {
    await standings.lockAgent({
      agentId: agentIdOf(fabric),
      reason: LockReason.LOCK_REASON_STALE_JOIN_STATE,
      message: "",
    });
    expect((await agent.next("kick")).value.reason).toBe("AGENT_LOCKED");
  } finally {
    await world.nats.restart();
    await events.hearing();
  }
});

test("a copy of an agent's disk locks the agent: two processes live on with one identity (R26)", async () => {
  const fabric = await aFabric(world, one);
  const [original, clone] = [randomUUID(), randomUUID()];
  await using first = await fabric.connect(one, { epoch: 1n, hello: { bootId: original } });
  await first.next("welcome");
  await using second = await fabric.connect(other, { epoch: 2n, hello: { bootId: clone } });
  await second.next("welcome");
  expect((await first.next("kick")).value.reason).toBe("EPOCH_SUPERSEDED");
  await using told = await fabric.connect(one, { epoch: 3n, hello: { bootId: original } });
  const refusal = await told.ended;
  expect(refusal).toMatchObject({ code: "BOOT_SUPERSEDED", kind: "failed_precondition" });
  expect(await second.heartbeat()).toBeDefined(); // whoever has it keeps it until the proof
  // As it was told to wait, so it waits.
  const kicked = second.next("kick");
  const code = await until(async () => {
    await using back = await fabric.connect(one, { epoch: 4n, hello: { bootId: original } });
    const found = codeOf(await back.ended);
    return found === "BOOT_SUPERSEDED" ? undefined : found;
  });
  expect(code).toBe("AGENT_LOCKED");
  expect((await kicked).value.reason).toBe("AGENT_LOCKED");
  await using last = await fabric.connect(other, { epoch: 5n, hello: { bootId: clone } });
  expect(await last.ended).toMatchObject({ code: "AGENT_LOCKED", details: { reason: "DUPLICATE_AGENT" } });
  await until(async () => (events.factsOf(fabric.fabricId).includes("agent.locked") ? true : undefined));
  expect(events.payloadsOf(fabric.fabricId, "agent.locked")).toHaveLength(1);
});

test("restarts, hand-overs and lost connections of one agent never lock it", async () => {
  const fabric = await aFabric(world, one);
  let epoch = 0n;
  for (let restart = 0; restart < 20; restart += 1) {
    const bootId = randomUUID();
    for (const replica of [one, other, one]) {
      epoch += 1n;
      await using agent = await fabric.connect(replica, { epoch, hello: { bootId } });
      await agent.next("welcome");
    }
  }
  expect(await fabricOf(fabric.fabricId)).toMatchObject({ lockReason: "", state: FabricState.FABRIC_STATE_CONNECTED });
});

test("only activation locks, only cert-authority reads who follows", async () => {
  const [management, authority] = [await one.agentsAs("management-api"), await one.agentsAs("cert-authority")];
  const agentId = randomUUID();
  const lock = { agentId, reason: LockReason.LOCK_REASON_DUPLICATE_AGENT, message: "" };
  for (const refused of [
    () => management.lockAgent(lock),
    () => management.unlockAgent({ agentId, requestedBy: "mallory" }),
    () => authority.lockAgent(lock),
    () => authority.getAgentStanding({ agentId }),
    () => management.listTrustFollowers({ pageSize: 0, pageToken: "", behindSequence: 0n }),
  ]) {
    await expect(refused()).rejects.toMatchObject({ kind: "permission_denied" });
  }
  await expect(standings.lockAgent({ ...lock, reason: LockReason.LOCK_REASON_UNSPECIFIED })).rejects.toMatchObject({
    code: "LOCK_REASON_INVALID",
  });
});
