import { expect, test } from "vitest";
import { drillRevocation } from "../../src/revocation/drill-revocation.ts";

test("a revoked certificate is cut and refused at every listener, by serial number and by fingerprint (REN 6)", async () => {
  const report = await drillRevocation({ rounds: 4, seed: 1, say: () => undefined });
  // How fast is a figure of the long drill.
  expect(report.invariants).toMatchObject({
    "what is revoked is cut and refused at every listener": [],
    "what is not revoked stays": [],
    "no request fails": [],
  });
  expect(report.figures["refusals and cuts measured"]?.value).toBe(4 * 9 + 2);
}, 1_200_000);
