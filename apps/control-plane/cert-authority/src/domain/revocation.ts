import { DrawbridgeError } from "@drawbridge/errors";

/** What is revoked: one certificate, or all of a fabric. */
export type RevocationTarget =
  | { readonly kind: "serial_number"; readonly serialNumber: string }
  | { readonly kind: "fabric"; readonly fabricId: string }
  /** SHA-256 of the certificate (DER), lower-case hex; it need not be one that the database knows. */
  | { readonly kind: "fingerprint"; readonly fingerprintSha256: string };

/** What a revocation is known by; at least one of the two. */
export type RevokedName =
  | { readonly serialNumber: string; readonly fingerprintSha256: string | undefined }
  | { readonly serialNumber: undefined; readonly fingerprintSha256: string };

/** An entry of the revocation list. */
export type Revocation = RevokedName & {
  /** Place in the list. */
  readonly position: bigint;
  /** Empty if the certificate is not known. */
  readonly spiffeId: string;
  /** Absent for services, and if the certificate is not known. */
  readonly fabricId: string | undefined;
  readonly revokedAt: Date;
  readonly notAfter: Date;
  readonly reason: string;
};

/** Why a certificate is revoked after a later one of the same name was used. */
export const supersededReason = "superseded";

/** Why a fabric's certificates are revoked when it was deleted. */
export const fabricDeletedReason = "the fabric was deleted";

/** Clocks differ: an entry stays in the list for this long after the certificate has expired. */
export const listedAfterExpiryMs = 86_400_000;

/** The most that one page of the list holds. */
export const revocationPageSize = 1_000;

/**
 * How long a renewal may have been on its way through runtime-manager, whose list of revocations is at most 5 s old, before
 * it arrives here.
 */
export const renewalInFlightMs = 10_000;

export function certificateRevoked({
  serialNumber,
  reason,
}: {
  readonly serialNumber: string;
  readonly reason: string;
}): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "CERTIFICATE_REVOKED",
    message: "the client certificate was revoked",
    details: { reason, serialNumber },
  });
}
