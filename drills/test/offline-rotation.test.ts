import { expect, test } from "vitest";
import { drillOfflineRotation } from "../src/offline-rotation/drill-offline-rotation.ts";

test("an agent that was off during a whole rotation of the root comes back by itself, its apps untouched (REN 6)", async () => {
  const report = await drillOfflineRotation({ rounds: 1, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "it comes back by itself": [],
    "it trusts the new root and no longer the old one": [],
    "apps are untouched": [],
  });
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
