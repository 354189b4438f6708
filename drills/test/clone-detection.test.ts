import { expect, test } from "vitest";
import { drillCloneDetection } from "../src/clone-detection/drill-clone-detection.ts";

test("a copy of an agent's disk locks both, beside the original and later; an operator brings one back (REN 7)", async () => {
  const report = await drillCloneDetection({ rounds: 2, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "a copy locks both, for what it did": [],
    "an operator brings one back, and the fabric stays the same": [],
    "apps are untouched": [],
  });
  expect(report.figures["copies found"]?.value).toBe(2);
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
