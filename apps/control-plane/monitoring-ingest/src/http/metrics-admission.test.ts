import { isDrawbridgeError } from "@drawbridge/errors";
import { expect, test } from "vitest";
import { createMetricsAdmission } from "./metrics-admission.ts";

const limits = { pointsPerSecond: 10, requestsPerFabric: 2, bytesInFlight: 1_000 };
const codeOf = (work: () => unknown): unknown => {
  try {
    work();
    return "admitted";
  } catch (error) {
    return isDrawbridgeError(error) ? [error.code, error.retryAfterMs] : error;
  }
};

test("a fabric has so many requests at a time, and everybody so many bytes; a place is free again once", () => {
  const admission = createMetricsAdmission(limits, { monotonicMs: () => 0 });
  const release = admission.enter({ fabricId: "a", bytes: 400 });
  admission.enter({ fabricId: "a", bytes: 400 });
  const asA = () => admission.enter({ fabricId: "a", bytes: 1 });
  expect(codeOf(asA)).toEqual(["METRICS_RATE_EXCEEDED", 2_000]);
  expect(codeOf(() => admission.enter({ fabricId: "b", bytes: 201 }))).toEqual(["METRICS_OVERLOADED", 2_000]);
  release();
  release();
  expect([codeOf(asA), codeOf(asA)]).toEqual(["admitted", ["METRICS_RATE_EXCEEDED", 2_000]]);
});

test("a fabric that sent a minute's points at once waits until it has some again, and is told how long", () => {
  let nowMs = 0;
  const admission = createMetricsAdmission(limits, { monotonicMs: () => nowMs });
  const enter = () => admission.enter({ fabricId: "a", bytes: 0 })();
  enter();
  admission.spend("a", 650);
  expect(codeOf(enter)).toEqual(["METRICS_RATE_EXCEEDED", 6_000]);
  expect(codeOf(() => admission.enter({ fabricId: "b", bytes: 0 }))).toBe("admitted");
  nowMs = 6_000;
  expect(codeOf(enter)).toBe("admitted");
});
