import { expect, test } from "vitest";
import { type CertificateFacts, certificateStateAt } from "./certificate-state.ts";

const end = new Date("2026-11-22T12:00:00Z");
const before = new Date(end.getTime() - 1);
const facts = (parts: Partial<CertificateFacts> = {}): CertificateFacts => ({
  recorded: "active",
  revocationReason: "",
  notAfter: end,
  ...parts,
});

test.each([
  [facts({ recorded: "issued" }), before, "issued"],
  [facts(), before, "active"],
  [facts(), end, "expired"],
  [facts({ recorded: "revoked", revocationReason: "superseded" }), before, "superseded"],
  [facts({ recorded: "revoked", revocationReason: "superseded" }), end, "expired"],
  [facts({ recorded: "revoked", revocationReason: "key leaked" }), before, "revoked"],
  [facts({ recorded: "revoked", revocationReason: "key leaked" }), end, "revoked"],
] as const)("%j at %s is %s", (certificate, now, state) => {
  expect(certificateStateAt(certificate, now)).toBe(state);
});
