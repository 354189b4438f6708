import { RotationPhase } from "@drawbridge/contracts/certs/v1/authority_service";
import { CertificatePurpose, type HeldCertificate } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { freePort } from "@drawbridge/testkit";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listenToEvents, type EventLog } from "./event-log.ts";
import { aFabric, startWorld, until, type Replica, type World } from "./harness.ts";
import { aRenewal, renewOver } from "./renewal.ts";

const suite = new AsyncDisposableStack();
const config = {
  HEARTBEAT_MS: 1_000,
  DEAD_AFTER_MS: 20_000,
  SEEN_FLUSH_MS: 200,
  PUBLIC_MONITORING_URL: "https://monitoring.example:7480",
  CLOCK_SKEW_WARN_SECONDS: 30,
  CLOCK_SKEW_FAIL_SECONDS: 90,
};
const trustDomain = "drawbridge.local";
let world: World;
let one: Replica;
let other: Replica;
let events: EventLog;
beforeAll(async () => {
  const port = await freePort();
  world = suite.use(await startWorld({ runtimeManagerAddress: `127.0.0.1:${port}` }));
  one = suite.use(await world.startReplica("replica-1", { ...config, INTERNAL_LISTEN: { host: "127.0.0.1", port } }));
  other = suite.use(await world.startReplica("replica-2", config));
  for (const replica of [one, other]) await until(async () => ((await replica.readyz()).ready ? true : undefined));
  events = suite.use(await listenToEvents(world.nats));
});
afterAll(() => suite.disposeAsync());

async function fabricOf(fabricId: string) {
  const { fabric } = await other.fabrics.getFabric({ org: "acme", fabric: fabricId });
  if (!fabric) throw new Error("the fabric is gone");
  return fabric;
}

const hours = (n: number): Date => new Date(Date.now() + n * 3_600_000);

function aHeld(change: Partial<HeldCertificate> = {}): HeldCertificate {
  return {
    purpose: CertificatePurpose.CERTIFICATE_PURPOSE_TUNNEL,
    serialNumber: "0a",
    notAfter: hours(20),
    renewAt: hours(10),
    lastFailure: "",
    ...change,
  };
}

const monitoring = { purpose: CertificatePurpose.CERTIFICATE_PURPOSE_MONITORING, serialNumber: "0b" };

test("the terms name monitoring and the limits of the clock", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  expect((await agent.next("welcome")).value).toMatchObject({
    monitoringUrl: "https://monitoring.example:7480",
    clockSkewWarnSeconds: 30,
    clockSkewFailSeconds: 90,
  });
});

test("what the agent holds is shown, from its hello and from its heartbeats", async () => {
  const fabric = await aFabric(world, one);
  const tunnel = aHeld({ serialNumber: fabric.identity.serialNumber });
  await using agent = await fabric.connect(one, { epoch: 1n, hello: { certificates: [tunnel] } });
  await agent.next("welcome");
  const shown = async () => (await fabricOf(fabric.fabricId)).certificates;
  expect(await shown()).toEqual([{ ...tunnel, purpose: "tunnel" }]);
  await agent.heartbeat({ certificates: [tunnel, aHeld({ ...monitoring, lastFailure: "RENEWAL_OVERLOADED" })] });
  const both = await until(async () => ((await shown()).length === 2 ? shown() : undefined));
  expect(both[1]).toMatchObject({ purpose: "monitoring", serialNumber: "0b", lastFailure: "RENEWAL_OVERLOADED" });
  const authority = await one.agentsAs("cert-authority");
  const { followers } = await authority.listTrustFollowers({ pageSize: 0, pageToken: "", behindSequence: 0n });
  expect(followers.find(({ fabricId }) => fabricId === fabric.fabricId)).toMatchObject({
    fabricName: fabric.name,
    certificateSerial: fabric.identity.serialNumber,
    collectorCertificateSerial: "0b",
    trustBundleSequence: 1n,
    live: true,
  });
});

test("who follows is listed by name, page by page, and only those behind if asked", async () => {
  for (const sequence of [1n, 5n, 1n]) {
    const fabric = await aFabric(world, one);
    await using agent = await fabric.connect(one, { epoch: 1n, hello: { trustBundleSequence: sequence } });
    await agent.next("welcome");
  }
  const authority = await one.agentsAs("cert-authority");
  const read = async (behindSequence: bigint, pageSize: number) => {
    const names: string[] = [];
    let pageToken = "";
    do {
      const page = await authority.listTrustFollowers({ pageSize, pageToken, behindSequence });
      names.push(...page.followers.map(({ fabricName }) => fabricName));
      ({ nextPageToken: pageToken } = page);
    } while (pageToken !== "");
    return names;
  };
  const all = await read(0n, 500);
  expect(all).toEqual(all.toSorted());
  expect(await read(0n, 1)).toEqual(all);
  expect(all.length - (await read(2n, 2)).length).toBe(1);
});

test("an alert is announced once when it begins and once when it ends, whatever the number of replicas (R26)", async () => {
  const fabric = await aFabric(world, one);
  const failing = aHeld({ ...monitoring, renewAt: hours(-2), lastFailure: "RENEWAL_UNAVAILABLE" });
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  const reasons = async () => (await fabricOf(fabric.fabricId)).alerts.map(({ reason }) => reason);
  const own = { reason: "DiskFull", message: "95 %", since: new Date() };
  await agent.heartbeat({ certificates: [failing], alerts: [own] });
  await until(async () => ((await reasons()).length === 2 ? true : undefined));
  expect(await reasons()).toEqual(["RenewalFailing", "DiskFull"]);
  await agent.heartbeat({ certificates: [{ ...failing, lastFailure: "RENEWAL_OVERLOADED" }], alerts: [own] });
  // An agent that comes back says nothing of its own alerts before its first heartbeat: nothing ends.
  await using moved = await fabric.connect(other, { epoch: 2n, hello: { certificates: [failing] } });
  await moved.next("welcome");
  await until(async () => (events.payloadsOf(fabric.fabricId, "fabric.alert").length >= 2 ? true : undefined));
  await moved.heartbeat({ certificates: [{ ...failing, lastFailure: "" }], alerts: [] });
  await until(async () => ((await reasons()).length === 0 ? true : undefined));
  await until(async () => (events.payloadsOf(fabric.fabricId, "fabric.alert").length >= 4 ? true : undefined));
  const told = events
    .payloadsOf(fabric.fabricId, "fabric.alert")
    .map(({ reason, active }) => `${String(reason)} ${active === true ? "began" : "ended"}`);
  expect(told.toSorted()).toEqual(["DiskFull began", "DiskFull ended", "RenewalFailing began", "RenewalFailing ended"]);
});

test("what no true agent would say is bounded, and keeps no other agent from being seen (R12)", async () => {
  const [hostile, innocent] = [await aFabric(world, one), await aFabric(world, one)];
  const most = 2n ** 64n - 1n;
  const farAway = new Date(8.64e15);
  const nonsense = {
    observedGeneration: most,
    trustBundleSequence: most,
    snapshotDigest: "\0".repeat(200),
    agentTime: farAway,
    certificates: [aHeld({ notAfter: farAway }), aHeld({ renewAt: farAway, lastFailure: "\0" })],
    alerts: [{ reason: "\0", message: "\0", since: farAway }],
  };
  await using liar = await hostile.connect(one, { epoch: 1n, hello: { ...nonsense, bootId: `\0${randomUUID()}` } });
  await using other = await innocent.connect(one, { epoch: 1n });
  for (const agent of [liar, other]) await agent.next("welcome");
  const seenAt = async () => (await fabricOf(innocent.fabricId)).lastSeenAt ?? new Date(0);
  const before = await seenAt();
  await liar.heartbeat(nonsense);
  await until(async () => {
    await liar.heartbeat({ ...nonsense, trustBundleSequence: most - 1n });
    await other.heartbeat();
    return (await seenAt()) > before ? true : undefined;
  });
  const shown = await fabricOf(hostile.fabricId);
  expect(shown).toMatchObject({ trustBundleSequence: 2n ** 63n - 1n, clockSkewMs: 0n });
  expect(shown.certificates).toHaveLength(1);
});

test("a new root reaches every tunnel at once, and later ones with their welcome; certificates under the old one are renewed (REN 6)", async () => {
  const fabrics = [await aFabric(world, one), await aFabric(world, one)];
  const [first, second] = fabrics;
  if (!first || !second) throw new Error("two fabrics are needed");
  await using here = await first.connect(one, { epoch: 1n });
  await using there = await second.connect(other, { epoch: 1n });
  for (const agent of [here, there]) await agent.next("welcome");
  const started = await world.rotation.startRotation({
    requestId: randomUUID(),
    requestedBy: "alice",
    reason: "drill",
  });
  expect(started.status?.trustBundle?.rootsDer).toHaveLength(2);
  for (const agent of [here, there]) {
    const { value } = await agent.next("trustBundleChanged");
    expect(value.sequence).toBe(started.status?.trustBundle?.sequence);
    expect(value.rootsDer).toEqual(started.status?.trustBundle?.rootsDer);
  }
  const late = await aFabric(world, one);
  await using later = await late.connect(other, { epoch: 1n });
  await later.next("welcome");
  expect((await later.next("trustBundleChanged")).value.rootsDer).toHaveLength(2);

  const { status } = await world.rotation.advanceRotation({
    fromPhase: RotationPhase.ROTATION_PHASE_INIT,
    force: true,
    requestedBy: "alice",
  });
  expect(status?.phase).toBe(RotationPhase.ROTATION_PHASE_UPDATE_CLIENTS);
  const { value: renewNow } = await here.next("renewNow");
  expect(renewNow).toMatchObject({ reason: "outdated", serialNumbers: [first.identity.serialNumber] });
  expect(renewNow.withinMs).toBeGreaterThanOrEqual(2_000);
  expect((await there.next("renewNow")).value.serialNumbers).toEqual([second.identity.serialNumber]);

  const renewal = await aRenewal(first.identity);
  const identity = renewal.identityOf(await renewOver(here, renewal.request), trustDomain);
  // The services take the bundle over in their own time; the old tunnel serves until then.
  let epoch = 1n;
  const frames = await until(async () => {
    epoch += 1n;
    await using renewed = await first.connect(one, { epoch, identity });
    try {
      await renewed.next("welcome");
    } catch {
      return undefined;
    }
    await renewed.heartbeat();
    return renewed.frames;
  });
  expect(frames.map(({ frame }) => frame.$case)).not.toContain("renewNow");
});
