import { expect, test } from "vitest";
import { drillSmuggling } from "../src/smuggling/drill-smuggling.ts";

test("whatever the gateway passes on reads the same to three readers", async () => {
  const report = await drillSmuggling({ rounds: 200, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "each case by hand is refused or forwarded without doubt": [],
    "what is passed on reads the same to a strict reader and to node": [],
    "an answer that is passed on reads the same to undici": [],
  });
  expect(report.figures["requests passed on"]?.value).toBeGreaterThan(0);
  expect(report.figures["answers passed on"]?.value).toBeGreaterThan(0);
});
