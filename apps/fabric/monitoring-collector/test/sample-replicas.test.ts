import { totalmem } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestCa, freePort, type TestCa } from "@drawbridge/testkit";
import { createCollectorProcess, until } from "./support/collector-process.ts";
import type { Point } from "./support/decode-otlp.ts";
import { createFabricFolder, type FabricFolder } from "./support/fabric-folder.ts";
import { createScriptedIngest, type ScriptedIngest } from "./support/scripted-ingest.ts";

let ca: TestCa;
let ingest: ScriptedIngest;

beforeAll(async () => {
  ca = await createTestCa();
  ingest = await createScriptedIngest(ca);
  await ingest.start();
});
afterAll(() => ingest[Symbol.asyncDispose]());

const collectorOf = (fabric: FabricFolder, env: Readonly<Record<string, string>> = {}) =>
  createCollectorProcess({
    stateDir: fabric.stateDir,
    ingestAddress: ingest.address,
    env: { DRAWBRIDGE_SAMPLE_INTERVAL_MS: "1000", ...env },
  });

/** All that was received of a fabric's replica. */
function pointsOf(fabric: FabricFolder, replicaId: string, metric: string): readonly Point[] {
  return ingest.received
    .flatMap(({ points }) => points)
    .filter(({ resource }) => resource["drawbridge.fabric.id"] === fabric.fabricId)
    .filter((point) => point.resource["service.instance.id"] === replicaId && point.metric === metric);
}

/** In cores, over all intervals that came. */
function meanCores(points: readonly Point[]): number {
  return points.reduce((sum, { value }) => sum + value, 0) / points.length;
}

test("sees CPU and memory of real processes, by app and replica, with the names of OpenTelemetry (MON)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  fabric.startReplica(appId, "idle-0", "idle", 536_870_912);
  fabric.startReplica(appId, "busy-0", "burn");
  fabric.startReplica(appId, "nested-0", "burn-in-children");
  fabric.startReplica(appId, "large-0", "hold-64-mib");
  await using collector = await collectorOf(fabric);
  await collector.start();
  await until(() => Promise.resolve(pointsOf(fabric, "nested-0", "container.cpu.usage").length >= 4));

  const cores = (replicaId: string): number => meanCores(pointsOf(fabric, replicaId, "container.cpu.usage"));
  // A busy machine gives less than it was asked for, never more.
  expect(cores("busy-0")).toBeGreaterThan(0.01);
  expect(cores("busy-0")).toBeLessThan(1.5);
  expect(cores("nested-0")).toBeGreaterThan(0.01);
  expect(cores("idle-0")).toBeLessThan(cores("busy-0"));

  const memory = (replicaId: string): number =>
    pointsOf(fabric, replicaId, "container.memory.usage").at(-1)?.value ?? 0;
  expect(memory("large-0") - memory("idle-0")).toBeGreaterThan(40 * 1_048_576);
  expect(memory("large-0")).toBeLessThan(512 * 1_048_576);
  const total = (replicaId: string): number | undefined =>
    pointsOf(fabric, replicaId, "drawbridge.process.memory.limit").at(-1)?.value;
  expect(total("idle-0")).toBe(536_870_912);
  expect(total("busy-0")).toBe(totalmem());

  const [point] = pointsOf(fabric, "idle-0", "container.memory.usage");
  expect(point).toMatchObject({
    unit: "By",
    kind: "sum",
    resource: {
      "service.name": "orders",
      "service.version": "2.1.0",
      "deployment.environment.name": "prod",
      "drawbridge.app.id": appId,
    },
  });
});

test("an app's own endpoint tells requests where nobody counts, and metrics by name; no word of its own leaves (MON, META 3)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  fabric.startTelling(appId, "telling-0", await freePort());
  await using collector = await collectorOf(fabric);
  await collector.start();
  const of = (metric: string): readonly Point[] => pointsOf(fabric, "telling-0", metric);
  await until(() => Promise.resolve(of("drawbridge.app.orders_placed_total").length >= 2));

  const requests = of("http.server.request.duration");
  const counts = (isFailed: boolean): ReadonlySet<number> =>
    new Set(requests.filter(({ attributes }) => "error.type" in attributes === isFailed).map(({ count }) => count));
  expect(counts(false)).toEqual(new Set([9]));
  expect(counts(true)).toEqual(new Set([1]));
  const own = of("drawbridge.app.http_server_request_duration_seconds");
  expect(
    own.map(({ attributes, count, kind, temporality }) => ({ attributes, count, kind, temporality })),
  ).toContainEqual({
    attributes: { "http.request.method": "GET", "drawbridge.http.status_class": "2xx" },
    count: 9,
    kind: "histogram",
    temporality: 1,
  });
  for (const point of of("drawbridge.app.orders_placed_total"))
    expect(point).toMatchObject({ kind: "sum", temporality: 1, value: 1, attributes: {} });
  const sent = ingest.received.flatMap(({ points }) => points);
  expect(JSON.stringify(sent.map(({ metric, attributes, resource }) => [metric, attributes, resource]))).not.toMatch(
    /canary.4711/,
  );
});

test("a fabric whose owner forbids it reads no app's endpoint (META 4)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  fabric.startTelling(appId, "telling-0", await freePort());
  await using collector = await collectorOf(fabric, { DRAWBRIDGE_APP_METRICS: "off" });
  await collector.start();
  await until(() => Promise.resolve(pointsOf(fabric, "telling-0", "container.memory.usage").length >= 3));
  expect(pointsOf(fabric, "telling-0", "drawbridge.app.orders_placed_total")).toEqual([]);
  expect(await collector.metric("app_endpoint_reads")).toBe(0);
});
