import { expect, test } from "vitest";
import { crashAt } from "../src/renewal-crash/drill-renewal-crash.ts";
import { crashSteps } from "../src/renewal-crash/kill-points.ts";

/** The first point on each side of each step; `pnpm drill renewal-crash` has the others, and each of them twice. */
const steps = crashSteps.filter(
  ({ victim, step }, index) =>
    crashSteps.findIndex((other) => other.victim === victim && other.step === step) === index,
);

test("kill -9 at each step of a renewal, on both sides: one valid identity, no recovery, nothing in use revoked (REN 1)", async () => {
  const report = await crashAt(steps, { say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "one valid identity, on the tunnel, without a recovery": [],
    "nothing that is in use is revoked": [],
    "apps are untouched": [],
  });
  expect(report.figures["processes killed"]?.value).toBe(11);
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
