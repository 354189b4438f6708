import { expect, test } from "vitest";
import { drillTelemetryOutage } from "../src/telemetry/drill-telemetry-outage.ts";

test("analytics-ingest away for longer than a spool holds: what is lost is known to the last request (ANA 1)", async () => {
  const report = await drillTelemetryOutage({ rounds: undefined, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "nothing is lost within the spool's bound": [],
    "what was given up is known to the last request": [],
    "the bound was reached": [],
    "roll-ups say the same": [],
  });
});
