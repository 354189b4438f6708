/** Where a certificate is in its life. */
export type CertificateState =
  | { readonly kind: "issued" }
  | { readonly kind: "active"; readonly activatedAt: Date }
  | { readonly kind: "revoked"; readonly revokedAt: Date; readonly reason: string };

/** What the authority knows of one certificate. */
export interface CertificateRecord {
  readonly serialNumber: string;
  readonly spiffeId: string;
  /** Absent for services. */
  readonly fabricId: string | undefined;
  readonly spkiSha256: string;
  /** SHA-256 of the certificate (DER), lower-case hex. */
  readonly fingerprintSha256: string;
  /** The CA that issued it. */
  readonly issuerId: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly issuedAt: Date;
  /** When it was first used, also of one that was revoked since; absent if it never was. */
  readonly activatedAt: Date | undefined;
  /** When the service that holds it means to renew it; absent if it did not say. */
  readonly renewAt: Date | undefined;
  readonly state: CertificateState;
}

/** A certificate that was signed and waits to be recorded; nobody has seen it yet. */
export interface SignedCertificate {
  readonly requestId: string;
  /** The CA that signed it. */
  readonly issuerId: string;
  readonly serialNumber: string;
  readonly spiffeId: string;
  readonly fabricId: string | undefined;
  readonly spkiSha256: string;
  readonly certificateDer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly issuedAt: Date;
  /** A fabric's name that was revoked at or after this gets nothing. */
  readonly decidedAt: Date;
  /** The certificate that a service asked with: once it is revoked, nothing follows on it. Absent for fabrics. */
  readonly callerSerialNumber: string | undefined;
  /** Of the request, for the event that announces it. */
  readonly traceparent: string;
}

/** A certificate that may be handed out: it is in the table. */
export interface RecordedCertificate {
  readonly serialNumber: string;
  /** The CA that signed it: its chain. */
  readonly issuerId: string;
  readonly spiffeId: string;
  readonly certificateDer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** The scope of an event about a certificate. */
export function eventScopeOf(certificate: { readonly fabricId: string | undefined }): string {
  return certificate.fabricId ?? "control-plane";
}

/** Revocation wins over use: a revoked certificate is revoked whether it was used or not. */
export function stateOf(facts: {
  readonly activatedAt: Date | null;
  readonly revokedAt: Date | null;
  readonly reason: string | null;
}): CertificateState {
  if (facts.revokedAt) return { kind: "revoked", revokedAt: facts.revokedAt, reason: facts.reason ?? "" };
  return facts.activatedAt ? { kind: "active", activatedAt: facts.activatedAt } : { kind: "issued" };
}
