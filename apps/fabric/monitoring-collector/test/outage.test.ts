import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { createCollectorProcess, until, type CollectorProcess } from "./support/collector-process.ts";
import type { Point } from "./support/decode-otlp.ts";
import { createFabricFolder, type FabricFolder } from "./support/fabric-folder.ts";
import { createScriptedIngest, type ScriptedIngest } from "./support/scripted-ingest.ts";

let ca: TestCa;
let ingest: ScriptedIngest;

beforeAll(async () => {
  ca = await createTestCa();
  ingest = await createScriptedIngest(ca);
});
beforeEach(async () => {
  ingest.refusal = undefined;
  ingest.received.length = 0;
  await ingest.stop();
  await ingest.start();
});
afterAll(() => ingest[Symbol.asyncDispose]());

const collectorOf = (fabric: FabricFolder) =>
  createCollectorProcess({
    stateDir: fabric.stateDir,
    ingestAddress: ingest.address,
    env: { DRAWBRIDGE_SAMPLE_INTERVAL_MS: "1000" },
  });

/** Points of the histogram without errors, by time: one for each sample. */
function samples(): readonly Point[] {
  return ingest.received
    .flatMap(({ points }) => points)
    .filter(
      ({ metric, attributes }) => metric === "http.server.request.duration" && Object.keys(attributes).length === 0,
    )
    .toSorted((a, b) => Number(a.timeNs - b.timeNs));
}

/** Every interval once and none left out. */
function expectWhole(points: readonly Point[]): void {
  for (const [index, { startNs }] of points.entries()) {
    const before = points[index - 1];
    if (before !== undefined) expect(startNs).toBe(before.timeNs);
  }
}

const sum = (points: readonly Point[]): number => points.reduce((total, { count }) => total + count, 0);
const queued = (collector: CollectorProcess): Promise<number> => collector.metric("queue_batches");
const moreThan = async (collector: CollectorProcess, count: number): Promise<boolean> =>
  (await queued(collector)) > count;

test("delivers everything once after an outage, through kill -9 and with another certificate than before it (MON, REN 5)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  fabric.startReplica(appId, "r-0", "idle");
  const count = (requests: number): void =>
    fabric.count(appId, [{ replicaId: "r-0", requests, errors: 0, durationMs: requests * 2 }]);
  count(100);
  await using collector = await collectorOf(fabric);
  await collector.start();
  await until(async () => samples().length > 0);

  await ingest.stop();
  count(107);
  await until(() => moreThan(collector, 1));
  const waiting = await queued(collector);
  await collector.kill();
  count(120);
  await collector.start();
  await until(() => moreThan(collector, waiting));
  const serialNumber = await fabric.installCertificate();
  count(125);
  await until(() => moreThan(collector, waiting + 1));

  await ingest.start();
  await until(async () => (await queued(collector)) === 0 && sum(samples()) === 25);
  expect(await collector.stop()).toBe(0);
  expectWhole(samples());
  expect(sum(samples())).toBe(25);
  expect(ingest.received.at(-1)?.serialNumber).toBe(serialNumber);
});

test("what comes between the last sample and an orderly stop is told after the next start (MON)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  fabric.startReplica(appId, "r-0", "idle");
  const count = (requests: number): void =>
    fabric.count(appId, [{ replicaId: "r-0", requests, errors: 0, durationMs: requests }]);
  count(1);
  await using collector = await collectorOf(fabric);
  await collector.start();
  await until(async () => samples().length > 0);
  count(8);
  expect(await collector.stop()).toBe(0);
  await collector.start();
  await until(async () => sum(samples()) === 7);
  expectWhole(samples());
});

test("a batch whose answer was lost is sent again byte for byte; the queue waits behind it", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  fabric.startReplica(fabric.createApp("orders", "prod"), "r-0", "idle");
  ingest.refusal = { kind: "unavailable", code: "METRICS_STORE_AWAY", isKept: true };
  await using collector = await collectorOf(fabric);
  await collector.start();
  await until(async () => ingest.received.length >= 2);
  const [first, second] = ingest.received;
  expect(second?.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true);
  const ready = await collector.readyz();
  expect(ready.checks["export"]).toBe("as the test says");
  await until(async () => (await collector.readyz()).ready); // it waits, and nobody takes it away for that
  expect(await collector.metric("dropped_points")).toBe(0);
});

test("what is refused for good is dropped, counted and told of, and the next goes out (MON)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  fabric.startReplica(fabric.createApp("orders", "prod"), "r-0", "idle");
  ingest.refusal = { kind: "invalid_argument", code: "METRICS_MALFORMED" };
  await using collector = await collectorOf(fabric);
  await collector.start();
  await until(async () => (await collector.metric("dropped_points", 'reason="refused"')) > 0);
  ingest.refusal = undefined;
  await until(async () => ingest.received.length > 0);
  const dropped = await collector.metric("dropped_points", 'reason="refused"');
  await until(async () => {
    const told = ingest.received
      .flatMap(({ points }) => points)
      .filter(({ metric }) => metric === "drawbridge.collector.dropped_points");
    return told.reduce((total, { value }) => total + value, 0) === dropped;
  });
});

test("a replica that ends is told of no more; its last requests are (MON)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  const replica = fabric.startReplica(appId, "r-0", "idle");
  const stays = fabric.startReplica(appId, "r-1", "idle");
  expect(stays.pid).not.toBe(replica.pid);
  fabric.count(appId, []);
  await using collector = await collectorOf(fabric);
  await collector.start();
  await until(async () => samples().length > 1);
  await replica.kill();
  fabric.count(appId, [{ replicaId: "r-0", requests: 3, errors: 1, durationMs: 30 }]);
  const of = (replicaId: string): readonly Point[] =>
    ingest.received
      .flatMap(({ points }) => points)
      .filter(({ resource }) => resource["service.instance.id"] === replicaId);
  await until(async () =>
    of("r-0").some(({ attributes, count }) => attributes["error.type"] === "_OTHER" && count === 1),
  );
  const told = of("r-0").length;
  const others = of("r-1").length;
  await until(async () => of("r-1").length > others + 4);
  expect(of("r-0").length).toBe(told);
});

test("measures and keeps nothing where monitoring is off, and checks in (MON)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  fabric.startReplica(fabric.createApp("orders", "prod"), "r-0", "idle");
  await using collector = await createCollectorProcess({
    stateDir: fabric.stateDir,
    ingestAddress: ingest.address,
    env: { DRAWBRIDGE_MONITORING: "off", DRAWBRIDGE_SAMPLE_INTERVAL_MS: "1000" },
  });
  const before = ingest.checkIns;
  await collector.start();
  await until(async () => ingest.checkIns > before + 30); // longer than an interval
  expect(ingest.received).toEqual([]);
  expect(readdirSync(fabric.stateDir).toSorted()).toEqual(["cluster", "egress", "monitoring", "trust"]);
  expect(readdirSync(join(fabric.stateDir, "egress"))).toHaveLength(1);
});
