import { startPrivateTestPostgres } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { addressOf, aDeploy, aFabric, aRequest, startWorld, until, type Replica } from "./harness.ts";
import { aStatus } from "./simulated-agent.ts";

const fast = { HEARTBEAT_MS: 500, DEAD_AFTER_MS: 30_000, DISCONNECTED_AFTER_MS: 60_000 };

async function ready(replica: Replica): Promise<void> {
  await until(async () => ((await replica.readyz()).ready ? true : undefined));
}

test("starts without NATS, is ready, serves tunnels, says what is missing, and catches up when NATS comes", async () => {
  await using world = await startWorld({ nats: "away" });
  await using replica = await world.startReplica("replica-a", fast);
  await ready(replica);
  const health = await replica.readyz();
  expect(health.checks["bus"]).not.toBe("ok");
  expect(health.degraded).toEqual(["bus"]);
  const fabric = await aFabric(world, replica);
  await using agent = await fabric.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "cold-1"));
  await agent.next("notify");
  expect((await agent.fetch()).snapshot.apps).toEqual([app?.spec]);
  await world.nats.start();
  await until(async () => ((await replica.readyz()).checks["bus"] === "ok" ? true : undefined));
  await using other = await world.startReplica("replica-b", fast);
  await other.apps.scaleApp({ ...aRequest("cold-1"), replicas: 2 });
  await agent.next("notify");
});

test("a hint that was lost is healed (R16)", async () => {
  await using world = await startWorld();
  await using one = await world.startReplica("replica-a", fast);
  await using other = await world.startReplica("replica-b", fast);
  await ready(one);
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  await world.nats.stop(); // hints between replicas are gone
  await one.apps.deployApp(aDeploy(fabric, "lost-1"));
  const { value } = await agent.next("notify");
  expect(value.generation).toBe(2n);
  expect((await agent.heartbeat()).desiredDigest).toBe(value.digest);
  expect((await agent.fetch()).digest).toBe(value.digest);
});

test("a restarted replica with empty caches gives the same snapshot, byte for byte", async () => {
  await using world = await startWorld();
  const digests: string[] = [];
  let fabric: Awaited<ReturnType<typeof aFabric>> | undefined;
  for (const epoch of [1n, 2n]) {
    await using replica = await world.startReplica("replica-a", fast);
    if (!fabric) {
      fabric = await aFabric(world, replica);
      await replica.apps.deployApp(aDeploy(fabric, "again-1"));
      await replica.apps.deployApp(aDeploy(fabric, "again-2"));
      await replica.apps.deleteApp(aRequest("again-2"));
    }
    await using agent = await fabric.connect(replica, { epoch });
    await agent.next("welcome");
    const { digest, snapshot } = await agent.fetch();
    expect(snapshot).toMatchObject({
      generation: 4n,
      complete: true,
      apps: [{ name: "again-1" }],
      tombstones: [{ name: "again-2" }],
    });
    digests.push(digest);
  }
  expect(digests[1]).toBe(digests[0]);
});

test("known agents come back while cert-authority is away, new ones wait", async () => {
  await using world = await startWorld();
  await using replica = await world.startReplica("replica-a", fast);
  const [known, fresh] = [await aFabric(world, replica), await aFabric(world, replica)];
  await using agent = await known.connect(replica, { epoch: 1n });
  await agent.next("welcome");
  await agent.cut();
  await world.certAuthority.kill();
  await using again = await known.connect(replica, { epoch: 2n });
  await again.next("welcome");
  await using stranger = await fresh.connect(replica, { epoch: 1n });
  expect(await stranger.ended).toMatchObject({ code: "CERT_AUTHORITY_UNAVAILABLE", retryAfterMs: 2_000 });
});

test("tunnels outlive the database: heartbeats are answered, reports wait for it", async () => {
  await using postgres = await startPrivateTestPostgres();
  await using world = await startWorld({ postgres });
  await using replica = await world.startReplica("replica-a", fast);
  const fabric = await aFabric(world, replica);
  const { app } = await replica.apps.deployApp(aDeploy(fabric, "outage-1"));
  await using agent = await fabric.connect(replica, { epoch: 1n });
  const { value: welcome } = await agent.next("welcome");
  await postgres.kill();
  const ack = await agent.heartbeat();
  expect(ack).toMatchObject({ desiredGeneration: welcome.desiredGeneration, desiredDigest: welcome.desiredDigest });
  const status = {
    observedGeneration: 2n,
    snapshotDigest: "",
    complete: true,
    apps: [aStatus(app?.spec?.appId ?? "")],
    removedAppIds: [],
  };
  agent.send({ $case: "status", value: status });
  await until(async () => ((await replica.readyz()).checks["database"] === "ok" ? undefined : true));
  await expect(agent.fetch()).rejects.toMatchObject({ code: "SNAPSHOT_NOT_READY" });
  expect(agent.frames.map(({ frame }) => frame.$case)).not.toContain("statusAck");
  await postgres.start();
  await ready(replica);
  await agent.report(status);
  expect((await replica.apps.getApp({ app: addressOf("outage-1") })).app?.status).toMatchObject({ readyReplicas: 1 });
});
