import { describe, expect, test } from "vitest";
import { clockStateOf, lockRemedy, trustBundleStateOf } from "./fabric-verdicts.ts";

const limits = { warnSeconds: 60, failSeconds: 300 };

describe("a clock (R21)", () => {
  test.each([
    [0, "ok"],
    [60_000, "ok"],
    [60_001, "warn"],
    [-60_001, "warn"],
    [300_000, "warn"],
    [-300_001, "fail"],
  ] as const)("%i ms off is %s", (skewMs, state) => {
    expect(clockStateOf({ hasBeenSeen: true, skewMs, limits })).toBe(state);
  });

  test("is judged by the limits of its fabric", () => {
    const strict = { warnSeconds: 2, failSeconds: 5 };
    const judged = [2_000, 2_001, 5_001].map((skewMs) => clockStateOf({ hasBeenSeen: true, skewMs, limits: strict }));
    expect(judged).toEqual(["ok", "warn", "fail"]);
  });

  test("that was never heard is unknown, not right", () => {
    expect(clockStateOf({ hasBeenSeen: false, skewMs: 0, limits })).toBe("unknown");
  });
});

test.each([
  [0n, 3n, "none"],
  [2n, 3n, "behind"],
  [3n, 3n, "current"],
  [4n, 3n, "current"],
] as const)("a bundle acknowledged up to %i of %i is %s", (acknowledged, current, state) => {
  expect(trustBundleStateOf({ acknowledged, current })).toBe(state);
});

test.each(["DUPLICATE_AGENT", "STALE_JOIN_STATE", "A_LATER_REASON"])("a lock %s names the way out", (reason) => {
  expect(lockRemedy(reason, "edge")).toMatch(/fabric recover edge --allow[^]*fabric recover edge --new-token/);
});

test.each(["DUPLICATE_AGENT", "STALE_JOIN_STATE"])(
  "a lock %s also names what brings a disk back that a copy has outrun",
  (reason) => {
    expect(lockRemedy(reason, "edge")).toContain("fabric recover edge --allow --accept-any-join-state");
  },
);
