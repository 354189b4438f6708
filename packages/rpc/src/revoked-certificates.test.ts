import { expect, test } from "vitest";
import { createRevokedCertificates, type Revocation } from "./revoked-certificates.ts";

const notAfter = new Date("2026-12-01T00:00:00Z");
const aRevocation = (parts: Partial<Revocation> = {}): Revocation => ({
  serialNumber: "0a",
  fingerprintSha256: "",
  reason: "key leaked",
  notAfter,
  ...parts,
});

test.each([
  ["serial number", aRevocation(), { serialNumber: "0a", fingerprintSha256: "ff" }],
  [
    "fingerprint",
    aRevocation({ serialNumber: "", fingerprintSha256: "ff" }),
    { serialNumber: "0a", fingerprintSha256: "ff" },
  ],
])("a certificate is found by its %s (REN 6)", (_by, revocation, shown) => {
  const revoked = createRevokedCertificates();
  expect(revoked.add(revocation)).toBe(true);
  expect(revoked.find(shown)).toMatchObject({ reason: "key leaked" });
  expect(revoked.find({ serialNumber: "0b", fingerprintSha256: "fe" })).toBeUndefined();
});

test("a fingerprint is never taken for a serial number", () => {
  const revoked = createRevokedCertificates();
  revoked.add(aRevocation({ serialNumber: "", fingerprintSha256: "0a" }));
  expect(revoked.find({ serialNumber: "0a", fingerprintSha256: "ff" })).toBeUndefined();
});

test("an entry is forgotten a day after its certificate has expired, not before", () => {
  const revoked = createRevokedCertificates();
  revoked.add(aRevocation());
  revoked.forgetExpired(new Date(notAfter.getTime() + 86_399_999));
  expect(revoked.size).toBe(1);
  revoked.forgetExpired(new Date(notAfter.getTime() + 86_400_000));
  expect(revoked.size).toBe(0);
});

test("an entry without an end is kept until its end is known", () => {
  const revoked = createRevokedCertificates();
  revoked.add(aRevocation({ notAfter: undefined }));
  revoked.forgetExpired(new Date("2100-01-01T00:00:00Z"));
  expect(revoked.size).toBe(1);
  expect(revoked.add(aRevocation())).toBe(false);
  revoked.forgetExpired(new Date("2100-01-01T00:00:00Z"));
  expect(revoked.size).toBe(0);
});
