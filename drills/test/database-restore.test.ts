import { expect, test } from "vitest";
import { drillDatabaseRestore } from "../src/database-restore/drill-database-restore.ts";

test("a database put back to an earlier state: revoked stays revoked, who renewed comes back, apps untouched (R17)", async () => {
  const report = await drillDatabaseRestore({ rounds: 1, seed: 1, say: () => undefined });
  expect(report.invariants).toEqual({
    "no request fails": [],
    "what was revoked stays revoked": [],
    "who renewed comes back by itself": [],
    "the trust bundle never goes back": [],
    "apps are untouched": [],
  });
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
