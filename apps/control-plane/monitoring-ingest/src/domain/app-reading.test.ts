import { expect, test } from "vitest";
import type { OtlpMetric, OtlpPoint } from "../otlp/otlp-message.ts";
import { isUnderstood, readingOf } from "./app-reading.ts";

const now = new Date("2026-01-08T00:00:00Z");
const nowMs = now.getTime();
const resource = new Map([
  ["deployment.environment.name", "production"],
  ["service.name", "orders"],
  ["service.instance.id", "r-1"],
]);
const cpuTime = { name: "process.cpu.time", unit: "s", kind: "sum", temporality: "delta", isMonotonic: true } as const;
const memory = {
  ...cpuTime,
  name: "process.memory.usage",
  unit: "By",
  temporality: "cumulative",
  isMonotonic: false,
} as const;
const requests = { ...cpuTime, name: "http.server.request.duration", kind: "histogram", isMonotonic: false } as const;
const aPoint = (metric: OtlpMetric, parts: Partial<OtlpPoint> = {}): OtlpPoint => ({
  metric,
  resource,
  attributes: new Map(),
  startMs: nowMs - 15_000,
  timeMs: nowMs,
  value: 3,
  count: 6,
  ...parts,
});
const whose = { environment: "production", app: "orders", replica: "r-1", timeMs: nowMs };
const without = (key: string) => new Map([...resource].filter(([name]) => name !== key));

test.each([
  ["CPU seconds", aPoint(cpuTime), { figure: "cpu time", value: 3_000, startMs: nowMs - 15_000, temporality: "delta" }],
  ["cores", aPoint({ ...memory, name: "container.cpu.usage", kind: "gauge" }), { figure: "cpu", millicores: 3_000 }],
  ["memory used", aPoint(memory), { figure: "memory used", bytes: 3 }],
  [
    "memory total",
    aPoint({ ...memory, name: "drawbridge.process.memory.limit" }),
    { figure: "memory total", bytes: 3 },
  ],
  ["requests in seconds", aPoint(requests), { figure: "requests", value: 3_000, count: 6, isError: false }],
  ["requests in milliseconds", aPoint({ ...requests, unit: "ms" }), { figure: "requests", value: 3, count: 6 }],
  [
    "no sum of no requests",
    aPoint(requests, { value: Number.NaN, count: 0 }),
    { figure: "requests", value: 0, count: 0 },
  ],
])("takes %s of a replica (MON)", (_what, point, reading) => {
  expect(readingOf(point, now)).toMatchObject({ outcome: "taken", reading: { ...whose, ...reading } });
});

test.each([
  ["error.type", "_OTHER", true],
  ["http.response.status_code", "500", true],
  ["http.response.status_code", "404", false],
])("a request with %s = %s is an error: %s", (key, value, isError) => {
  const point = aPoint(requests, { attributes: new Map([[key, value]]) });
  expect(readingOf(point, now)).toMatchObject({ reading: { isError } });
});

test("attributes of the data point win over the resource's, and without a replica it is the app as a whole", () => {
  const attributes = new Map([["service.name", "billing"]]);
  expect(readingOf(aPoint(memory, { attributes }), now)).toMatchObject({ reading: { app: "billing" } });
  const whole = readingOf(aPoint(memory, { resource: without("service.instance.id") }), now);
  expect(whole).toMatchObject({ reading: { app: "orders", replica: "" } });
});

test.each([
  [
    "no environment",
    aPoint(memory, { resource: without("deployment.environment.name") }),
    "deployment.environment.name",
  ],
  ["no app", aPoint(memory, { resource: without("service.name") }), "service.name"],
  [
    "an app that cannot be one",
    aPoint(memory, { attributes: new Map([["service.name", "O'Neil; DROP"]]) }),
    "service.name",
  ],
  [
    "a replica with a line break",
    aPoint(memory, { attributes: new Map([["service.instance.id", "a\nb"]]) }),
    "service.instance.id",
  ],
  ["a time of 7 days and a moment ago", aPoint(memory, { timeMs: nowMs - 7 * 86_400_000 - 1 }), "7 days"],
  ["a time of 5 minutes and a moment ahead", aPoint(memory, { timeMs: nowMs + 300_001 }), "5 minutes"],
  ["a negative value", aPoint(memory, { value: -1 }), "value"],
  ["no number", aPoint(memory, { value: Number.NaN }), "value"],
  ["more than can be told exactly", aPoint(memory, { value: 2 ** 53 }), "value"],
  ["half a request", aPoint(requests, { count: 0.5 }), "value"],
  ["an end before its begin", aPoint(cpuTime, { startMs: nowMs + 1 }), "begins"],
  ["a delta of memory", aPoint({ ...memory, temporality: "delta" }), "delta"],
  ["CPU time that may shrink", aPoint({ ...cpuTime, isMonotonic: false }), "monotonic"],
  ["requests as a sum", aPoint({ ...cpuTime, name: requests.name }), "histogram"],
  ["a sum of neither kind", aPoint({ ...cpuTime, temporality: "unspecified" }), "delta or cumulative"],
])("refuses %s and says why", (_what, point, why) => {
  const reading = readingOf(point, now);
  expect(reading).toMatchObject({ outcome: "refused", why: expect.stringContaining(why) as string });
});

test("a cumulative counter is known by all of its attributes, in whatever order they come", () => {
  const series = (attributes: readonly (readonly [string, string])[], of = resource): unknown => {
    const point = aPoint({ ...requests, temporality: "cumulative" }, { attributes: new Map(attributes), resource: of });
    const reading = readingOf(point, now);
    return reading.outcome === "taken" && reading.reading.figure === "requests" ? reading.reading.series : undefined;
  };
  const [one, two] = [["a", "1"] as const, ["b", "2"] as const];
  expect(series([one, two])).toBe(series([two, one]));
  const different = [
    series([one]),
    series([two]),
    series([one, two]),
    series([one], new Map([...resource, ["pid", "7"]])),
  ];
  expect(new Set(different).size).toBe(4);
});

test("what is not one of the six figures is not understood", () => {
  expect(["process.cpu.time", "process.open_file_descriptor.count", ""].map(isUnderstood)).toEqual([
    true,
    false,
    false,
  ]);
});
