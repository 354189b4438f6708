import { expect, test } from "vitest";
import { drillClockJump } from "../src/clock-jump/drill-clock-jump.ts";
import { findFakeTime } from "../src/clock-jump/find-fake-time.ts";

test("wall clocks an hour and forty days off, and an agent that stood still: apps serve, the tunnel is back (R21)", async (context) => {
  const library = await findFakeTime();
  if ("missing" in library && process.env["DRAWBRIDGE_TEST_SKIPS"] !== "never") {
    console.warn(`SKIPPED: ${library.missing}`);
    return context.skip(library.missing);
  }
  const report = await drillClockJump({ rounds: 6, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "who cannot connect says that a clock is wrong": [],
    "apps are untouched": [],
  });
  // Forty days are more than a certificate lives.
  expect(report.figures["could not connect meanwhile"]?.value).toBeGreaterThan(0);
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
