import { createGrantVerifier } from "@drawbridge/analytics-access";
import { LockReason } from "@drawbridge/contracts/runtime/v1/agent_service";
import { systemClock } from "@drawbridge/lifecycle";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aFabric, startWorld, until, type Replica, type TestFabric, type World } from "./harness.ts";

const url = "https://analytics.example:7450";
const suite = new AsyncDisposableStack();
let world: World;
let offering: Replica;
let silent: Replica;
beforeAll(async () => {
  world = suite.use(await startWorld());
  offering = suite.use(await world.startReplica("replica-1", { PUBLIC_ANALYTICS_URL: url }));
  silent = suite.use(await world.startReplica("replica-2"));
  for (const replica of [offering, silent])
    await until(async () => ((await replica.readyz()).ready ? true : undefined));
});
afterAll(() => suite.disposeAsync());

const verifierOf = ({ identity }: TestFabric) =>
  createGrantVerifier({ trustBundle: () => identity.trustBundle, clock: systemClock });

test("an agent gets a token for its own fabric and its environments, for an hour, and the address to use it at (ANA 1, MGT 1)", async () => {
  const fabric = await aFabric(world, offering);
  await using agent = await fabric.connect(offering, { epoch: 1n });
  await agent.next("welcome");
  const access = await agent.getAnalyticsAccess();
  expect(access.url).toBe(url);
  const grant = await verifierOf(fabric).verify(access.token);
  expect(grant).toMatchObject({
    fabricId: fabric.fabricId,
    environments: ["dev", "prod"],
    expiresAt: access.expiresAt,
  });
  expect(grant.expiresAt.getTime() - grant.issuedAt.getTime()).toBe(3_600_000);
  const another = await verifierOf(fabric).verify((await agent.getAnalyticsAccess()).token);
  expect(another.tokenId).not.toBe(grant.tokenId);
});

test("an environment that the fabric was given later is in the next token (ANA 1)", async () => {
  const fabric = await aFabric(world, offering);
  await using agent = await fabric.connect(offering, { epoch: 1n });
  await agent.next("welcome");
  await offering.fabrics.createFabric({ org: "acme", name: fabric.name, region: "", environments: ["staging"] });
  const { environments } = await verifierOf(fabric).verify((await agent.getAnalyticsAccess()).token);
  expect(environments.toSorted()).toEqual(["dev", "prod", "staging"]);
});

test("a control plane that keeps no requests says so (ANA 3)", async () => {
  const fabric = await aFabric(world, silent);
  await using agent = await fabric.connect(silent, { epoch: 1n });
  await agent.next("welcome");
  await expect(agent.getAnalyticsAccess()).rejects.toMatchObject({
    kind: "failed_precondition",
    code: "ANALYTICS_NOT_OFFERED",
  });
});

test("an agent that never said hello, one that is locked, and one whose fabric was deleted get no token (ANA 1)", async () => {
  const standings = await offering.agentsAs("activation");
  const locked = await aFabric(world, offering);
  await using stranger = await locked.connect(offering, { epoch: 0n, hello: { agentId: "somebody-else" } });
  await stranger.ended;
  await expect(stranger.getAnalyticsAccess()).rejects.toMatchObject({ code: "AGENT_UNKNOWN" });

  await using agent = await locked.connect(offering, { epoch: 1n });
  await agent.next("welcome");
  const { identity } = locked.identity;
  const agentId = identity.kind === "agent" ? identity.agentId : "";
  await standings.lockAgent({ agentId, reason: LockReason.LOCK_REASON_STALE_JOIN_STATE, message: "an old join state" });
  await agent.ended;
  await expect(agent.getAnalyticsAccess()).rejects.toMatchObject({ code: "AGENT_LOCKED" });

  const deleted = await aFabric(world, offering);
  await using last = await deleted.connect(offering, { epoch: 1n });
  await last.next("welcome");
  await offering.fabrics.deleteFabric({ org: "acme", fabric: deleted.name, force: true });
  await last.ended;
  await using again = await deleted.connect(offering, { epoch: 2n });
  await again.ended;
  await expect(again.getAnalyticsAccess()).rejects.toMatchObject({ kind: "permission_denied" });
});
