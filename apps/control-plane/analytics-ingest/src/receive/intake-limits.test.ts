import { createHash } from "node:crypto";
import type { DrawbridgeError } from "@drawbridge/errors";
import { FakeClock } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createIntakeLimits } from "./intake-limits.ts";

const noMetrics = {
  counter: () => ({ add: () => undefined }),
  histogram: () => ({ record: () => undefined }),
  gauge: () => undefined,
};

function limitsOf(options: Partial<Parameters<typeof createIntakeLimits>[0]> = {}) {
  const clock = new FakeClock();
  const limits = createIntakeLimits(
    { bytesPerSecond: 1_000, requests: 3, bytesInFlight: 4_000, ...options },
    { clock, metrics: noMetrics },
  );
  const refusalOf = (fabricId: string, bytes = 10): DrawbridgeError | undefined => {
    try {
      limits.enter(fabricId, bytes).leave();
      return undefined;
    } catch (error) {
      return error as DrawbridgeError; // the one thing that it throws
    }
  };
  return { clock, limits, refusalOf };
}

test("a fabric sends four seconds' worth at once, then what its rate allows", () => {
  const { clock, limits, refusalOf } = limitsOf();
  const first = limits.enter("a", 10);
  first.charge(4_500);
  first.leave();
  expect(refusalOf("a")).toMatchObject({ code: "ANALYTICS_RATE_EXCEEDED", retryAfterMs: 1_500 });
  expect(refusalOf("b")).toBeUndefined();
  clock.advance(501);
  expect(refusalOf("a")).toBeUndefined();
});

test("a fabric has so many requests in work, and a place that was left is free", () => {
  const { limits, refusalOf } = limitsOf();
  const places = [1, 2, 3].map(() => limits.enter("a", 10));
  expect(refusalOf("a")).toMatchObject({ kind: "resource_exhausted" });
  expect(refusalOf("b")).toBeUndefined();
  places[0]?.leave();
  expect(refusalOf("a")).toBeUndefined();
});

test("bodies of one fabric take a quarter of the room, or one that is larger; when all is taken everybody waits", () => {
  const { limits, refusalOf } = limitsOf();
  const alone = limits.enter("a", 1_001);
  expect(refusalOf("a", 1)).toMatchObject({ code: "ANALYTICS_RATE_EXCEEDED" });
  alone.leave();
  const first = limits.enter("a", 500);
  expect(refusalOf("a", 501)).toMatchObject({ code: "ANALYTICS_RATE_EXCEEDED" });
  first.leave();
  for (const fabricId of ["a", "b", "c", "d"]) limits.enter(fabricId, 1_000);
  expect(refusalOf("e", 1)).toMatchObject({ kind: "unavailable", code: "ANALYTICS_OVERLOADED", retryAfterMs: 1_000 });
});

test("a fabric that owes keeps its account while ten thousand quiet ones make room", () => {
  const { clock, limits, refusalOf } = limitsOf({ bytesInFlight: 1e9 });
  const busy = limits.enter("busy", 10);
  busy.charge(1_000_000);
  const fabricOf = (index: number): string => createHash("sha256").update(String(index)).digest("hex");
  for (let index = 0; index < 10_000; index += 1) limits.enter(fabricOf(index), 10).leave();
  clock.advance(60_000);
  expect(refusalOf("new")).toBeUndefined();
  expect(refusalOf("busy")).toMatchObject({ code: "ANALYTICS_RATE_EXCEEDED" });
});
