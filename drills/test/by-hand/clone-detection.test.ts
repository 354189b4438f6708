import { expect, test } from "vitest";
import { drillCloneDetection } from "../../src/clone-detection/drill-clone-detection.ts";

test("a copy of an agent's disk locks both, apps go on, an operator brings one back (REN 7)", async () => {
  const report = await drillCloneDetection({ rounds: 2, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "an operator brings one back, and the fabric stays the same": [],
    "apps are untouched": [],
  });
  expect(report.figures["copies found"]?.value).toBe(2);
}, 1_200_000);
