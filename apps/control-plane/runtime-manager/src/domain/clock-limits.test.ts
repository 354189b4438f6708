import { expect, test } from "vitest";
import { assertClockLimits, clockLimitsOf } from "./clock-limits.ts";

const service = { warnSeconds: 60, failSeconds: 300 };
const none = undefined;

test.each([
  { own: [none, none], inForce: [60, 300] },
  { own: [5, none], inForce: [5, 300] },
  { own: [none, 600], inForce: [60, 600] },
  { own: [400, none], inForce: [400, 400] },
  { own: [none, 30], inForce: [30, 30] },
  { own: [10, 20], inForce: [10, 20] },
] as const)(
  "a fabric's limits $own give $inForce, and failing never begins before warning (R21)",
  ({ own, inForce }) => {
    const [warnSeconds, failSeconds] = own;
    expect(clockLimitsOf({ warnSeconds, failSeconds }, service)).toEqual({
      warnSeconds: inForce[0],
      failSeconds: inForce[1],
    });
  },
);

test.each([
  [0, none, "clock_skew_warn_seconds is 0"],
  [none, 86_401, "clock_skew_fail_seconds is 86401"],
  [60, 59, "must be at least clock_skew_warn_seconds (60)"],
  [Number.NaN, none, "clock_skew_warn_seconds is NaN"],
] as const)("refuses limits %s and %s by name", (warnSeconds, failSeconds, text) => {
  expect(() => assertClockLimits({ warnSeconds, failSeconds })).toThrow(text);
});
