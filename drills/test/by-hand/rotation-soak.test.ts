import { expect, test } from "vitest";
import { drillRotationSoak } from "../../src/rotation-soak/drill-rotation-soak.ts";

test("root and issuing CA are replaced under load on every path, with leaves of ten seconds: nothing fails (REN 1, REN 6)", async () => {
  const report = await drillRotationSoak({ rounds: 2, seed: 1, say: () => undefined });
  expect(Object.values(report.invariants).flat()).toEqual([]);
  expect(report.figures["certificates issued"]?.value).toBeGreaterThan(0);
  for (const path of ["app through its front", "bundle from config-resolver", "collector's check-ins"]) {
    expect(report.figures[path]?.value).toBeGreaterThan(0);
  }
}, 1_200_000);
