import { OwnMetricKind } from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApi, type TestApi } from "./support/start-api.ts";
import { aFabric } from "./support/stand-in-runtime-manager.ts";

const granted = "0198c0de-0000-7000-8000-000000000001";
const other = "0198c0de-0000-7000-8000-000000000002";

let world: TestApi;
beforeAll(async () => {
  world = await startApi();
  for (const fabric of [
    aFabric({ fabricId: granted, name: "edge", environments: ["production"] }),
    aFabric({ fabricId: other, name: "foreign", environments: ["sandbox"] }),
  ])
    world.runtimeManager.fabrics.set(fabric.fabricId, fabric);
  const point = {
    time: new Date("2026-01-01T00:00:00Z"),
    cpuMillicores: 120,
    memoryUsedBytes: 1_000n,
    memoryTotalBytes: 4_000n,
    messages: 30n,
    responseTimeMs: Number.NaN,
    errors: 0n,
    countedSeconds: 15,
  };
  const series = { current: point, points: [{ ...point, cpuMillicores: Number.NaN, countedSeconds: 0 }] };
  for (const fabricId of [granted, other]) {
    const replicas = [{ replica: "r1", metrics: series }];
    world.metrics.apps.push({ environment: "production", app: "orders", fabricId, total: series, replicas });
    const points = [{ time: point.time, value: 7, count: 0n }];
    const counted = {
      fabricId,
      kind: OwnMetricKind.OWN_METRIC_KIND_COUNTER,
      method: "GET",
      statusClass: "2xx",
      points,
    };
    world.metrics.own.push({ ...counted, name: "jobs_total" }, { ...counted, name: "orders_total" });
  }
});
afterAll(() => world[Symbol.asyncDispose]());

const get = (path: string, token = world.adminToken) => world.api.call("GET", path, { token });
const environment = "/v1/environments/production";

test("metrics of an environment are what fabrics tell that run it, and nothing of another fabric (MON)", async () => {
  const { status, json } = await get(`${environment}/metrics?replicas=true`);
  expect(status).toBe(200);
  const current = {
    at: "2026-01-01T00:00:00.000Z",
    cpuMillicores: 120,
    memoryUsedBytes: 1_000,
    memoryTotalBytes: 4_000,
    messages: 30,
    messagesPerMinute: 120,
    responseTimeMs: null,
    errors: 0,
    countedSeconds: 15,
  };
  const series = { current, points: [{ ...current, cpuMillicores: null, messagesPerMinute: null, countedSeconds: 0 }] };
  const item = { environment: "production", app: "orders", fabric: "edge", fabricId: granted, total: series };
  expect(json).toEqual({ items: [{ ...item, replicas: [{ replicaId: "r1", series }] }], askedAt: json.askedAt });
  const asked = { environments: ["production"], fabricIds: [granted], app: "", byReplica: true, stepSeconds: 0 };
  expect(world.metrics.asked.at(-1)).toMatchObject(asked);
});

test("what an app tells of itself is what granted fabrics tell, one metric or all (MON)", async () => {
  const { json } = await get(`${environment}/apps/orders/own-metrics?metric=jobs_total`);
  const points = [{ at: "2026-01-01T00:00:00.000Z", value: 7, count: 0 }];
  const item = { fabric: "edge", fabricId: granted, name: "jobs_total", kind: "counter", method: "GET" };
  expect(json).toEqual({ items: [{ ...item, statusClass: "2xx", points }], askedAt: json.askedAt });
  expect((await get(`${environment}/apps/orders/own-metrics`)).json.items).toHaveLength(2);
});

test("times and steps of a question are handed on, and times have a zone", async () => {
  const range = "from=2026-01-01T01:00:00%2B01:00&to=2026-01-02T00:00:00Z&step=300";
  expect((await get(`${environment}/apps/orders/metrics?${range}`)).status).toBe(200);
  const [from, to] = [new Date("2026-01-01T00:00:00Z"), new Date("2026-01-02T00:00:00Z")];
  expect(world.metrics.asked.at(-1)).toMatchObject({ app: "orders", from, to, stepSeconds: 300 });
  const without = await get(`${environment}/metrics?from=2026-01-01T01:00:00`);
  expect(without.json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field: "from" }] });
});

test("a fabric that does not run the environment is not asked about", async () => {
  const before = world.metrics.asked.length;
  const { json } = await get(`${environment}/metrics?fabric=foreign`);
  expect([json.items, world.metrics.asked.length]).toEqual([[], before]);
});

test("Prometheus reads current values of replicas, and only of fabrics that run the environment", async () => {
  const answer = await world.api.open("GET", `${environment}/metrics/prometheus`, { token: world.adminToken });
  expect(answer.headers["content-type"]).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
  const text = await answer.body.text();
  const labels = '{environment="production",app="orders",fabric="edge",replica="r1"}';
  expect(text).toContain(`\ndrawbridge_app_cpu_cores${labels} 0.12\n`);
  expect(text).toContain(`\ndrawbridge_app_messages_per_second${labels} 2\n`);
  expect(text).not.toContain("foreign");
  expect(text.endsWith("# EOF\n")).toBe(true);
});

test("an environment that is not there is refused", async () => {
  expect((await get("/v1/environments/nowhere/metrics")).json.code).toBe("ENVIRONMENT_NOT_FOUND");
});
