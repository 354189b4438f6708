import { ShowAppsRequest } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { ShowOwnMetricsRequest } from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import { freePort } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClusterFiles } from "./support/cluster-files.ts";
import { until } from "./support/collector-process.ts";
import { startWorld, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

test("monitoring-ingest shows what was sampled, each message once, also after both were killed (MON, META 3)", async () => {
  await using fabric = await world.createFabric({ sampleIntervalMs: 1_000 });
  await using cluster = createClusterFiles(fabric.stateDir);
  await fabric.install(1, await fabric.issue());
  const appId = cluster.createApp("orders", "prod");
  cluster.startReplica(appId, "r-0", "burn", 268_435_456);
  const count = (requests: number): void =>
    cluster.count(appId, [{ replicaId: "r-0", requests, errors: requests / 10, durationMs: requests * 20 }]);
  count(100);
  const shown = async () => {
    const asked = { environments: ["prod"], app: "orders", stepSeconds: 10, byReplica: true };
    const [app] = await world.showApps(ShowAppsRequest.fromPartial(asked));
    const points = app?.replicas[0]?.metrics?.points ?? [];
    const sum = (of: (point: (typeof points)[number]) => bigint): number =>
      points.reduce((total, point) => total + Number(of(point)), 0);
    return {
      current: app?.replicas[0]?.metrics?.current,
      responseTimesMs: points.map(({ responseTimeMs }) => responseTimeMs).filter((ms) => !Number.isNaN(ms)),
      messages: sum(({ messages }) => messages),
      errors: sum(({ errors }) => errors),
    };
  };

  await fabric.collector.start();
  await until(async () => (await shown()).current !== undefined);
  count(130);
  await until(async () => (await shown()).messages === 30);
  await world.ingest.kill();
  count(160);
  await until(async () => (await fabric.collector.metric("queue_batches")) > 1);
  await fabric.collector.kill();
  count(200);
  await world.ingest.start();
  await fabric.collector.start();
  await until(async () => (await shown()).messages >= 100);

  const { current, responseTimesMs, messages, errors } = await shown();
  expect([messages, errors]).toEqual([100, 10]);
  for (const ms of responseTimesMs) expect(ms).toBeCloseTo(20, 3);
  expect(current?.cpuMillicores).toBeGreaterThan(0);
  expect(Number(current?.memoryUsedBytes)).toBeGreaterThan(1_048_576);
  expect(current?.memoryTotalBytes).toBe(268_435_456n);
});

test("monitoring-ingest shows what an app's own endpoint tells: the manifest's metrics, and requests in place of a gateway's count (MON)", async () => {
  await using fabric = await world.createFabric({ sampleIntervalMs: 1_000 });
  await using cluster = createClusterFiles(fabric.stateDir);
  await fabric.install(1, await fabric.issue());
  const appId = cluster.createApp("telling", "prod");
  cluster.startTelling(appId, "r-0", await freePort());
  await fabric.collector.start();
  const fabricIds = await until(async () => {
    const [app] = await world.showApps(ShowAppsRequest.fromPartial({ environments: ["prod"], app: "telling" }));
    return app !== undefined && (app.total?.current?.messages ?? 0n) > 0n ? [app.fabricId] : undefined;
  });

  const question = ShowOwnMetricsRequest.fromPartial({ environment: "prod", app: "telling", fabricIds });
  const metrics = await until(async () => {
    const found = await world.showOwnMetrics(question);
    return found.some(({ name }) => name === "orders_placed_total") ? found : undefined;
  });

  expect(metrics.map(({ name, method, statusClass }) => [name, method, statusClass])).toEqual([
    ["http_server_request_duration_seconds", "GET", "2xx"],
    ["http_server_request_duration_seconds", "GET", "5xx"],
    ["orders_placed_total", "", ""],
  ]);
  const [well] = metrics;
  const [count, seconds] = [well?.points[0]?.count ?? 0n, well?.points[0]?.value ?? 0];
  expect(Number(count) % 9).toBe(0);
  expect(seconds / Number(count)).toBeCloseTo(0.1);
});
