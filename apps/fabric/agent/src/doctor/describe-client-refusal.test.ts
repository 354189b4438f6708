import { expect, test } from "vitest";
import { describeClientRefusal } from "./describe-client-refusal.ts";

const server = "runtime-manager at 127.0.0.1:7420";
const now = new Date("2026-11-22T05:00:00Z");
const later = new Date("2026-11-24T05:00:00Z");
const hour = 3_600_000;

test("a certificate that is good by this machine's clock may be refused because of the control plane's (R21)", () => {
  const said = describeClientRefusal({ server, notAfter: later, now, measuredSkewMs: undefined });
  expect(said).toMatch(
    /not valid by the clock there.*2026-11-22T05:00:00.*until 2026-11-24.*compare the control plane/,
  );
});

test("a skew that was measured is named, a small one is not", () => {
  const saidOf = (measuredSkewMs: number) => describeClientRefusal({ server, notAfter: later, now, measuredSkewMs });
  expect(saidOf(-hour)).toContain("your clock was 1 h behind of the control plane's");
  expect(saidOf(5_000)).not.toContain("5 s");
});

test("one that is over by this machine's clock is said to be over, and by which clock", () => {
  const said = describeClientRefusal({ server, notAfter: now, now: later, measuredSkewMs: undefined });
  expect(said).toMatch(/expired at 2026-11-22.*clock says 2026-11-24/);
});
