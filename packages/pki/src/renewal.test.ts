import fc from "fast-check";
import { expect, test } from "vitest";
import { renewalInstant } from "./renewal.ts";

test("renews at half of the actual life, plus or minus a tenth (R2)", () => {
  const notBefore = new Date(0);
  const notAfter = new Date(1_000_000);
  expect(renewalInstant({ notBefore, notAfter, jitter: 0 })).toEqual(new Date(400_000));
  expect(renewalInstant({ notBefore, notAfter, jitter: 0.5 })).toEqual(new Date(500_000));
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (jitter) => {
      const at = renewalInstant({ notBefore, notAfter, jitter }).getTime();
      expect(at).toBeGreaterThanOrEqual(400_000);
      expect(at).toBeLessThanOrEqual(600_000);
    }),
  );
});

test("never says a time before the certificate came: of a short life it is a share of what was left", () => {
  const notBefore = new Date(0);
  const notAfter = new Date(310_000); // ten seconds from 300 s on, five minutes back
  const receivedAt = new Date(300_000);
  expect(renewalInstant({ notBefore, notAfter, jitter: 0.5, receivedAt })).toEqual(new Date(305_000));
  expect(renewalInstant({ notBefore, notAfter, jitter: 0.5, receivedAt: notBefore })).toEqual(new Date(155_000));
  expect(renewalInstant({ notBefore, notAfter, jitter: 0.5, receivedAt: new Date(400_000) })).toEqual(
    new Date(400_000),
  );
});
