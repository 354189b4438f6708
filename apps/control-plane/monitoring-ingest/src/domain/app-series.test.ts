import { expect, test } from "vitest";
import { isCurrent, sumOfReplicas, type MetricValues } from "./app-series.ts";

const now = new Date("2026-01-01T00:00:00Z");
const values = (parts: Partial<MetricValues> = {}): MetricValues => ({
  atMs: now.getTime(),
  cpuMillicores: 100,
  memoryUsed: 10,
  memoryTotal: 20,
  messages: 30,
  responseMsSum: 300,
  responseCount: 30,
  errors: 1,
  countedMs: 15_000,
  ...parts,
});

test.each([
  [15_000, 45_000, true],
  [15_000, 45_001, false],
  [0, 180_000, true],
  [0, 180_001, false],
])("with %i ms between samples one of %i ms ago is current: %s (MON)", (intervalMs, ageMs, isNow) => {
  expect(isCurrent({ intervalMs, atMs: now.getTime() - ageMs }, now)).toBe(isNow);
});

test("replicas are added up, and their rates too when they are sampled at different intervals", () => {
  const slow = values({ messages: 60, countedMs: 60_000, cpuMillicores: undefined, atMs: now.getTime() - 1 });
  const sum = sumOfReplicas([values(), slow]);
  expect(sum).toMatchObject({ atMs: now.getTime(), cpuMillicores: 100, memoryUsed: 20, messages: 90, errors: 2 });
  // 2/s and 1/s.
  expect((90 / (sum?.countedMs ?? 0)) * 1_000).toBeCloseTo(3, 9);
});

test("what no replica measured is not known, and no replicas are nothing", () => {
  const silent = values({ cpuMillicores: undefined, messages: 0 });
  expect(sumOfReplicas([silent])).toMatchObject({ cpuMillicores: undefined, countedMs: 15_000 });
  expect(sumOfReplicas([])).toBeUndefined();
});
