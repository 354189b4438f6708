import { expect, test } from "vitest";
import { drillDatabaseRestore } from "../src/database-restore/drill-database-restore.ts";

test("a database put back to an earlier state: revoked stays revoked, who renewed comes back, gateways enforce what was restored, apps untouched (R17, GK 3)", async () => {
  const report = await drillDatabaseRestore({ rounds: 1, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "what was revoked stays revoked": [],
    "who renewed comes back by itself": [],
    "the trust bundle never goes back": [],
    "gateways enforce what was restored, then what is new": [],
    "nobody passes an API without a contract": [],
    "apps are untouched": [],
  });
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
