import {
  CertificateState,
  type CertificateRecord as CertificateRecordProto,
  type IssuedCertificate,
  type TrustBundle as TrustBundleProto,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import type { TrustBundle } from "@drawbridge/pki";
import type { AuthorityState } from "../domain/ca-key.ts";
import type { CertificateRecord, RecordedCertificate } from "../domain/certificate.ts";

export function issuedToProto(certificate: RecordedCertificate, issuingDer: Uint8Array): IssuedCertificate {
  return {
    serialNumber: certificate.serialNumber,
    certificateDer: asBuffer(certificate.certificateDer),
    chainDer: [asBuffer(issuingDer)],
    spiffeId: certificate.spiffeId,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  };
}

export function trustBundleToProto(bundle: TrustBundle): TrustBundleProto {
  return {
    sequence: bundle.sequence,
    refreshHintSeconds: bundle.refreshHintSeconds,
    rootsDer: bundle.rootsDer.map(asBuffer),
    trustDomain: bundle.trustDomain,
  };
}

export function recordToProto(
  { state, ...record }: CertificateRecord,
  { keys }: Pick<AuthorityState, "keys">,
): CertificateRecordProto {
  return {
    serialNumber: record.serialNumber,
    spiffeId: record.spiffeId,
    fabricId: record.fabricId ?? "",
    state: stateToProto[state.kind],
    notBefore: record.notBefore,
    notAfter: record.notAfter,
    spkiSha256: record.spkiSha256,
    revokedAt: state.kind === "revoked" ? state.revokedAt : undefined,
    revocationReason: state.kind === "revoked" ? state.reason : "",
    fingerprintSha256: record.fingerprintSha256,
    issuerId: record.issuerId,
    issuedAt: record.issuedAt,
    activatedAt: record.activatedAt,
    renewAt: record.renewAt,
    issuerRetired: keys.some(({ id, state: use }) => id === record.issuerId && use === "retired"),
  };
}

const stateToProto = {
  issued: CertificateState.CERTIFICATE_STATE_ISSUED,
  active: CertificateState.CERTIFICATE_STATE_ACTIVE,
  revoked: CertificateState.CERTIFICATE_STATE_REVOKED,
} as const satisfies Record<CertificateRecord["state"]["kind"], CertificateState>;

/** The same memory as a Buffer, which the generated code wants. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
