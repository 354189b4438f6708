import { expect, test } from "vitest";
import { drillTelemetryKill } from "../src/telemetry/drill-telemetry-kill.ts";

test("kill -9 of whatever a report of a request passes through: every request is counted, each once, or told as lost (ANA 1)", async () => {
  const report = await drillTelemetryKill({ rounds: 4, seed: 2, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request is counted twice": [],
    "all are counted where no gateway was killed": [],
    "every answered request is counted or told as lost": [],
    "hardly more is told as lost than is": [],
    "roll-ups say the same": [],
  });
  expect(report.figures["requests counted"]?.value).toBeGreaterThan(0);
});
