import { expect, test } from "vitest";
import type { OtlpMetric, OtlpPoint } from "../otlp/otlp-message.ts";
import { readingOf } from "./app-reading.ts";
import { rowsOfReadings } from "./metric-rows.ts";

const now = new Date("2026-01-08T00:00:00Z");
const timeMs = now.getTime();
const baselines = { find: () => undefined, set: () => true };
const resource = new Map([
  ["deployment.environment.name", "production"],
  ["service.name", "orders"],
  ["service.instance.id", "r-1"],
]);
const gauge = { kind: "gauge", temporality: "unspecified", isMonotonic: false } as const;
const delta = { kind: "sum", temporality: "delta", isMonotonic: true } as const;

/** A point of a container: the metric, what kind it is, its value. */
type Told = readonly [string, Omit<OtlpMetric, "name" | "unit">, number];

function rowsOf(told: readonly Told[]) {
  const readings = told.map(([name, kind, value], container) => {
    const attributes = new Map([["k8s.container.name", `c-${container}`]]);
    const metric: OtlpMetric = { name, unit: "", ...kind };
    const point: OtlpPoint = { metric, resource, attributes, startMs: timeMs - 10_000, timeMs, value, count: 0 };
    const reading = readingOf(point, now);
    if (reading.outcome === "refused") throw new Error(reading.why);
    return reading.reading;
  });
  return rowsOfReadings(readings, { fabricId: "f", baselines }).rows;
}

const kubeletstats: readonly Told[] = [
  ["container.memory.usage", gauge, 900],
  ["container.memory.working_set", gauge, 500],
  ["container.cpu.usage", gauge, 0.3],
  ["container.cpu.time", delta, 2],
];

test.each([
  ["as they come", kubeletstats],
  ["backwards", kubeletstats.toReversed()],
])("metrics of a container that tell one figure count once, %s (MON)", (_how, told) => {
  expect(rowsOf(told)).toMatchObject([{ memoryUsed: 500, cpuMillicores: 200, measured: 3 }]);
});

test("points of one metric add up: containers of a pod, modes of a CPU", () => {
  const rows = rowsOf([...kubeletstats, ["container.memory.working_set", gauge, 70], ["container.cpu.time", delta, 1]]);
  expect(rows).toMatchObject([{ memoryUsed: 570, cpuMillicores: 300 }]);
});

test("what the process tells goes before its container, and what is alone is taken", () => {
  const told: readonly Told[] = [
    ["process.memory.usage", gauge, 400],
    ["process.cpu.time", delta, 1],
  ];
  expect(rowsOf([...kubeletstats, ...told])).toMatchObject([{ memoryUsed: 400, cpuMillicores: 100 }]);
  expect(rowsOf(kubeletstats.slice(0, 1))).toMatchObject([{ memoryUsed: 900, measured: 2 }]);
  expect(rowsOf(kubeletstats.slice(2, 3))).toMatchObject([{ cpuMillicores: 300, measured: 1 }]);
});
