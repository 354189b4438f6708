/** Where a certificate is in its life, in words of an operator. */
export const certificateStates = ["issued", "active", "superseded", "revoked", "expired"] as const;
export type CertificateState = (typeof certificateStates)[number];

/** The reason that cert-authority records when a renewed certificate took another's place. */
export const supersededReason = "superseded";

export interface CertificateFacts {
  readonly recorded: "issued" | "active" | "revoked";
  readonly revocationReason: string;
  readonly notAfter: Date;
}

/**
 * What a certificate is at `now`. What somebody revoked stays "revoked" for ever, so that the reason is found again; of the
 * others the end of life counts more than a renewal before it.
 */
export function certificateStateAt(facts: CertificateFacts, now: Date): CertificateState {
  const isSuperseded = facts.recorded === "revoked" && facts.revocationReason === supersededReason;
  if (facts.recorded === "revoked" && !isSuperseded) return "revoked";
  if (facts.notAfter <= now) return "expired";
  if (isSuperseded) return "superseded";
  return facts.recorded === "active" ? "active" : "issued";
}
