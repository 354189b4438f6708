import { randomUUID } from "node:crypto";
import type { AppMetrics } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { clientTlsOptions } from "@drawbridge/pki";
import { fromGrpcError } from "@drawbridge/rpc";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { message, sendMetrics } from "./support/otlp.ts";
import { startWorld, type World } from "./support/world.ts";

let world: World;
const protobuf = "application/x-protobuf";

/** Points of a metric that nobody wants here. */
function manyPoints(count: number): string {
  const dataPoints = Array.from({ length: count }, () => ({ asInt: "1" }));
  return JSON.stringify({
    resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "other", gauge: { dataPoints } }] }] }],
  });
}

beforeAll(async () => {
  world = await startWorld({ DRAWBRIDGE_FABRIC_REPLICAS: "20", DRAWBRIDGE_FABRIC_POINTS_PER_SECOND: "1000" });
});
afterAll(() => world[Symbol.asyncDispose]());

/** What management-api is shown of a fabric, when all that was acknowledged is in the store. */
async function shown(
  fabricId: string,
  until: (apps: readonly AppMetrics[]) => boolean = (apps) => apps[0]?.total?.current !== undefined,
) {
  const metrics = await world.metricsAs("management-api");
  let apps: readonly AppMetrics[] = [];
  await expect
    .poll(async () => {
      const asked = { environments: ["production"], fabricId, byReplica: true };
      ({ apps } = await metrics.showApps({ ...nothing, ...asked }));
      return until(apps);
    })
    .toBe(true);
  return apps;
}
const nothing = {
  environments: [],
  fabricId: "",
  fabricIds: [],
  app: "",
  from: undefined,
  to: undefined,
  stepSeconds: 0,
  byReplica: false,
};
/** Messages of the past hour. */
const sum = (app: AppMetrics | undefined): number =>
  (app?.total?.points ?? []).reduce((total, { messages }) => total + Number(messages), 0);
const ago = (ms: number): Date => new Date(Date.now() - ms);

test("the six figures of an app are shown for now and the past hour, by replica and together (MON, META 3)", async () => {
  const fabricId = randomUUID();
  const identity = await world.issue("collector", fabricId);
  const at = ago(5_000);
  const figures = { at, cpuSeconds: 3, memoryUsed: 1_000, memoryTotal: 4_000 };
  const answer = await sendMetrics(world.ingest.fabricAddress, identity, {
    body: message(
      { ...figures, replica: "r1", requests: { count: 30, seconds: 3, errors: 6 } },
      { ...figures, replica: "r2", requests: { count: 10, seconds: 1 } },
    ),
  });
  expect([answer.status, answer.contentType, answer.body.toString()]).toEqual([200, "application/json", "{}"]);

  const [app] = await shown(fabricId);
  expect(app).toMatchObject({ environment: "production", app: "orders", fabricId });
  const together = {
    cpuMillicores: 400,
    memoryUsedBytes: 2_000n,
    memoryTotalBytes: 8_000n,
    messages: 40n,
    responseTimeMs: 100,
    errors: 6n,
  };
  expect(app?.total?.current).toMatchObject({ ...together, time: at, countedSeconds: 15 });
  expect(app?.total?.points).toMatchObject([together]);
  expect(app?.replicas.map(({ replica }) => replica)).toEqual(["r1", "r2"]);
  const alone = { cpuMillicores: 200, memoryUsedBytes: 1_000n, messages: 30n, responseTimeMs: 100, errors: 6n };
  expect(app?.replicas[0]?.metrics?.current).toMatchObject(alone);
  expect(app?.replicas[0]?.metrics?.points).toMatchObject([alone]);
});

test("what OpenTelemetry's own SDK sends over mutual TLS is taken, cumulative and gzipped (META 3)", async () => {
  const fabricId = randomUUID();
  const identity = await world.issue("collector", fabricId);
  vi.stubEnv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
  const exporter = new OTLPMetricExporter({
    url: `https://${world.ingest.fabricAddress}/v1/metrics`,
    httpAgentOptions: clientTlsOptions(identity, {
      expectedServer: "/cp/monitoring-ingest",
      alpnProtocols: ["http/1.1"],
    }),
  });
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({
    readers: [reader],
    resource: resourceFromAttributes({
      "deployment.environment.name": "production",
      "service.name": "billing",
      "service.instance.id": "b-1",
    }),
  });
  const meter = provider.getMeter("test");
  const durations = meter.createHistogram("http.server.request.duration", { unit: "s" });
  const memory = meter.createUpDownCounter("process.memory.usage", { unit: "By" });
  const mine = meter.createCounter("my.own.counter");
  memory.add(5_000_000);
  mine.add(1);
  for (const status of [200, 200, 503]) durations.record(0.25, { "http.response.status_code": status });
  await reader.forceFlush();
  durations.record(0.25, { "http.response.status_code": 200 });
  await reader.forceFlush();
  await provider.shutdown();

  const [app] = await shown(fabricId, ([found]) => sum(found) === 4 && found?.total?.current !== undefined);
  expect(app).toMatchObject({ app: "billing", replicas: [{ replica: "b-1" }] });
  const errors = app?.total?.points.reduce((total, point) => total + Number(point.errors), 0);
  const responseTimes = app?.total?.points.map((point) => point.responseTimeMs);
  expect([errors, new Set(responseTimes), app?.total?.current?.memoryUsedBytes]).toEqual([
    1,
    new Set([250]),
    5_000_000n,
  ]);
});

test("what was acknowledged outlives kill -9, and a message that is sent again afterwards counts once", async () => {
  const fabricId = randomUUID();
  const identity = await world.issue("collector", fabricId);
  const messages = Array.from({ length: 8 }, (_one, index) =>
    message({ at: ago(60_000 + index * 1_000), requests: { count: 1, seconds: 0 } }),
  );
  const acknowledged = messages.map((body) => sendMetrics(world.ingest.fabricAddress, identity, { body }));
  const killed = acknowledged[0]?.then(() => world.ingest.kill());
  const outcomes = await Promise.allSettled(acknowledged);
  await killed;
  const isTaken = outcomes.map((outcome) => outcome.status === "fulfilled" && outcome.value.status === 200);
  expect(isTaken).toContain(true);
  await world.ingest.start();
  const again = await Promise.all(messages.map((body) => sendMetrics(world.ingest.fabricAddress, identity, { body })));
  expect(again.map(({ status }) => status)).toEqual(messages.map(() => 200));
  const [app] = await shown(fabricId, ([found]) => sum(found) >= messages.length);
  expect(sum(app)).toBe(messages.length);
});

test("a fabric is who its certificate says: another's id in the message moves nothing there (META 3)", async () => {
  const [mine, other] = [randomUUID(), randomUUID()];
  const body = message({ at: ago(5_000), requests: { count: 1, seconds: 1 } }).replace(
    '"attributes":[',
    `"attributes":[{"key":"drawbridge.fabric.id","value":{"stringValue":"${other}"}},`,
  );
  const identity = await world.issue("collector", mine);
  expect((await sendMetrics(world.ingest.fabricAddress, identity, { body })).status).toBe(200);
  expect((await shown(mine)).map(({ fabricId }) => fabricId)).toEqual([mine]);
  const metrics = await world.metricsAs("management-api");
  const asked = { ...nothing, environments: ["production"], fabricIds: [other] };
  expect((await metrics.showApps(asked)).apps).toEqual([]);
});

test("an agent's certificate is refused, in OTLP's form of an error", async () => {
  const agent = await world.issue("agent", randomUUID());
  const answer = await sendMetrics(world.ingest.fabricAddress, agent, { body: "{}" });
  expect([answer.status, answer.contentType]).toEqual([403, "application/json"]);
  expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 7, details: [{ reason: "CALLER_NOT_ALLOWED" }] });
});

test.each([
  ["bytes that are no protobuf", { body: Buffer.from("no protobuf"), type: protobuf }, 400],
  ["no JSON", { body: "{" }, 400],
  ["a list", { body: "[]" }, 400],
  ["something else for a list", { body: '{"resourceMetrics":{}}' }, 400],
  ["bytes that are not gzip", { body: "{}", encoding: "deflate" }, 400],
  ["another content type", { body: "{}", type: "text/plain" }, 415],
  ["more than 4 MiB", { body: Buffer.alloc(4 * 1024 * 1024 + 1, " ") }, 413],
  ["more than 4 MiB when it is unpacked", { body: Buffer.alloc(4 * 1024 * 1024 + 1, " "), encoding: "gzip" }, 413],
  ["20,001 data points", { body: manyPoints(20_001) }, 400],
])("a body with %s is refused for good", async (_what, sent, status) => {
  const answer = await sendMetrics(world.ingest.fabricAddress, await world.issue("collector", randomUUID()), sent);
  expect([answer.status, answer.retryAfter]).toEqual([status, undefined]);
});

test.each([
  ["unpacked", undefined, 4 * 1024 * 1024],
  ["packed", "gzip", 4 * 1024 * 1024 + 1],
])("messages that are refused for good, %s, cost their fabric too", async (_how, encoding, bytes) => {
  const identity = await world.issue("collector", randomUUID());
  const sent = { body: Buffer.alloc(bytes, " "), ...(encoding === undefined ? {} : { encoding }) };
  const statuses: number[] = [];
  while (statuses.length < 10 && statuses.at(-1) !== 429) {
    statuses.push((await sendMetrics(world.ingest.fabricAddress, identity, sent)).status);
  }
  expect(statuses.length).toBeGreaterThan(2);
  expect(statuses.at(-1)).toBe(429);
});

test("what is refused of a message is told, with the reason; the rest is taken", async () => {
  const fabricId = randomUUID();
  const identity = await world.issue("collector", fabricId);
  const fine = { at: ago(5_000), requests: { count: 2, seconds: 0 } };
  const answer = await sendMetrics(world.ingest.fabricAddress, identity, {
    body: message(
      fine,
      { ...fine, app: "Not A Name" },
      { ...fine, replica: "old", at: ago(8 * 86_400_000) },
      { ...fine, replica: "ahead", at: ago(-600_000) },
    ),
  });
  expect(answer.status).toBe(200);
  const { partialSuccess } = JSON.parse(answer.body.toString()) as { partialSuccess: Record<string, string> };
  expect(partialSuccess["rejectedDataPoints"]).toBe("3");
  expect(partialSuccess["errorMessage"]).toContain("service.name");
  expect(partialSuccess["errorMessage"]).toContain("7 days old");
  expect(sum((await shown(fabricId))[0])).toBe(2);
});

test("replicas beyond what a fabric may tell of are refused, and other fabrics are not", async () => {
  const many = Array.from({ length: 25 }, (_one, index) => ({ at: ago(5_000), replica: `r${index}`, memoryUsed: 1 }));
  const rejected: unknown[] = [];
  for (const fabricId of [randomUUID(), randomUUID()]) {
    const identity = await world.issue("collector", fabricId);
    const { body } = await sendMetrics(world.ingest.fabricAddress, identity, { body: message(...many) });
    rejected.push((JSON.parse(body.toString()) as { partialSuccess?: object }).partialSuccess);
    expect((await shown(fabricId))[0]?.replicas).toHaveLength(20);
  }
  const told = { rejectedDataPoints: "5", errorMessage: "5 x is of one replica too many of this fabric" };
  expect(rejected).toEqual([told, told]);
});

test("a fabric that floods is told to wait, and another is served", async () => {
  const [flooding, calm] = [await world.issue("collector", randomUUID()), await world.issue("collector", randomUUID())];
  const flood = { body: manyPoints(20_000) };
  let answer = await sendMetrics(world.ingest.fabricAddress, flooding, flood);
  for (let sent = 1; sent < 50 && answer.status === 200; sent += 1)
    answer = await sendMetrics(world.ingest.fabricAddress, flooding, flood);
  expect(answer.status).toBe(429);
  expect(Number(answer.retryAfter)).toBeGreaterThan(0);
  expect((await sendMetrics(world.ingest.fabricAddress, calm, { body: "{}" })).status).toBe(200);
});

test.each([
  ["without environments", {}, "environments"],
  ["with an end before the begin", { from: new Date(), to: ago(1_000) }, "from"],
  ["with steps that do not fit the roll-up", { stepSeconds: 450 }, "step"],
])("a question %s is refused by name", async (_what, question, fieldName) => {
  const asked = { ...nothing, environments: fieldName === "environments" ? [] : ["production"], ...question };
  const refused = await (await world.metricsAs("management-api")).showApps(asked).catch((error: unknown) => error);
  const { code, details } = fromGrpcError(refused, "monitoring-ingest");
  expect([code, Object.keys(details)]).toEqual(["MONITORING_QUERY_INVALID", [`field:${fieldName}`]]);
});

test("only management-api may ask", async () => {
  const asking = (await world.metricsAs("config-resolver")).showApps({ ...nothing, environments: ["production"] });
  const code = await asking.then(
    () => "answered",
    (error: unknown) => fromGrpcError(error, "monitoring-ingest").code,
  );
  expect(code).toBe("CALLER_NOT_ALLOWED");
});
