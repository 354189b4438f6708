import { expect, test } from "vitest";
import { drillKillAnything } from "../src/kill-anything/drill-kill-anything.ts";

test("kill -9 of anything, under load: nothing lost, nothing doubled, no request fails (MGT 5)", async () => {
  const report = await drillKillAnything({ rounds: 6, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "every acknowledged change is carried out": [],
    "no change is carried out twice": [],
    "what nobody changed is untouched": [],
    "nothing appears or disappears": [],
    "nobody passes an API without a contract": [],
    "who has a contract passes in the end": [],
  });
  expect(report.figures["changes acknowledged"]?.value).toBeGreaterThan(0);
  expect(report.figures["strangers turned away by the API"]?.value).toBeGreaterThan(0);
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
