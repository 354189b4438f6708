import { expect, test } from "vitest";
import { drillRevocation } from "../src/revocation/drill-revocation.ts";

/** One of each kind; `pnpm drill revocation` revokes forty, and says how fast that is. */
const rounds = 4;
const listeners = 12;
const liveTunnels = 2;

test("a revoked certificate is cut and refused at every listener, by serial number and by fingerprint (REN 6)", async () => {
  const report = await drillRevocation({ rounds, seed: 1, say: () => undefined });
  expect(report.invariants).toMatchObject({
    "what is revoked is cut and refused at every listener": [],
    "an expired certificate is refused, with a TLS session from before, too": [],
    "what is not revoked stays": [],
    "no request fails": [],
  });
  expect(report.figures["refusals and cuts measured"]?.value).toBe(rounds * listeners + liveTunnels);
  expect(report.figures["requests answered"]?.value).toBeGreaterThan(0);
});
