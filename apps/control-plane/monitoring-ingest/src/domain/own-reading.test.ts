import { expect, test } from "vitest";
import type { OtlpMetric, OtlpPoint } from "../otlp/otlp-message.ts";
import { readingOf } from "./app-reading.ts";

const now = new Date("2026-01-01T00:00:00Z");

function aPoint(metric: Partial<OtlpMetric>, point: Partial<OtlpPoint> = {}): OtlpPoint {
  return {
    metric: {
      name: "drawbridge.app.jobs_total",
      unit: "",
      kind: "sum",
      temporality: "delta",
      isMonotonic: true,
      ...metric,
    },
    resource: new Map([
      ["deployment.environment.name", "prod"],
      ["service.name", "orders"],
    ]),
    attributes: new Map(),
    startMs: 0,
    timeMs: now.getTime(),
    value: 3,
    count: 0,
    ...point,
  };
}

test("labels of an app's own metrics are closed sets, whoever sends them (META 3)", () => {
  const attributes = new Map([
    ["http.request.method", "canary"],
    ["drawbridge.http.status_class", "canary"],
    ["customer", "canary"],
  ]);
  const reading = readingOf(aPoint({}, { attributes }), now);
  expect(reading).toMatchObject({
    outcome: "taken",
    reading: { metric: "jobs_total", method: "_OTHER", statusClass: "" },
  });
  expect(JSON.stringify(reading)).not.toContain("canary");
});

test.each<[string, OtlpPoint]>([
  ["a name that is none", aPoint({ name: "drawbridge.app.a b" })],
  ["a cumulative counter", aPoint({ temporality: "cumulative" })],
  ["a sum that goes down", aPoint({ isMonotonic: false })],
  ["a counter below nothing", aPoint({}, { value: -1 })],
  ["half an observation", aPoint({ kind: "histogram" }, { count: 0.5 })],
  ["a value that no number tells exactly", aPoint({ kind: "gauge" }, { value: 1e300 })],
  ["no app", aPoint({}, { resource: new Map([["deployment.environment.name", "prod"]]) })],
])("refuses %s among apps' own metrics", (_, point) => {
  expect(readingOf(point, now).outcome).toBe("refused");
});
