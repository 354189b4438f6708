import { expect, test } from "vitest";
import { shortRound } from "../src/gatekeeper-matrix/cells.ts";
import { matrixOf } from "../src/gatekeeper-matrix/drill-gatekeeper-matrix.ts";
import { levels } from "../src/gatekeeper-matrix/levels.ts";

test("each kind of event at every level, under load: no request passes before its policies, nobody else fails (GK 1, GK 3, GK 4, GK 5)", async () => {
  const report = await matrixOf(shortRound, { rounds: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "every gate stands as it must, and the right one answers": [],
    "nothing passes before its policies at strict and flexible": [],
    "no request of another API fails while the gateway is there": [],
    "no request of an app without APIs fails": [],
    "a revoked contract is refused within 5 s": [],
  });
  expect(report.figures["cells of the matrix looked at"]?.value).toBe(shortRound.length * levels.length);
  for (const answered of ["by a closed gate", "by a policy", "by the app at level disabled"])
    expect(report.figures[`answered ${answered}`]?.value, answered).toBeGreaterThan(0);
});
