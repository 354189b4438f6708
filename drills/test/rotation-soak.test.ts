import { expect, test } from "vitest";
import { soak } from "../src/rotation-soak/drill-rotation-soak.ts";

/** `pnpm drill rotation-soak` goes on for twenty issuing CAs of a minute with leaves of ten seconds. */
const times = { leafSeconds: 15, issuingCaSeconds: 90 };

test("the root and its issuing CA are replaced under load on every path, with leaves of fifteen seconds: nothing fails (REN 1, REN 6)", async () => {
  const report = await soak(times, { rollOvers: 1, say: () => undefined });
  const broken = Object.entries(report.invariants).filter(([, findings]) => findings.length > 0);
  expect(broken).toEqual([]);
  expect(report.figures["certificates issued"]?.value).toBeGreaterThan(0);
  for (const path of [
    "app through its front",
    "REST, and gRPC between the services",
    "bundle from config-resolver",
    "deployment through the tunnel",
    "collector's check-ins",
  ]) {
    expect(report.figures[path]?.value, path).toBeGreaterThan(0);
  }
});
