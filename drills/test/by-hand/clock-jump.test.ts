import { expect, test } from "vitest";
import { drillClockJump } from "../../src/clock-jump/drill-clock-jump.ts";

test("wall clocks an hour and forty days off, and an agent that stood still: apps serve, the tunnel is back (R21)", async () => {
  const report = await drillClockJump({ rounds: 6, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "who cannot connect says that a clock is wrong": [],
    "apps are untouched": [],
  });
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
}, 1_200_000);
