import { type CertificateRecord, CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { z } from "zod";
import { type CertificateFacts, certificateStateAt } from "../../domain/certificate-state.ts";
import { certificateSubject } from "../../domain/certificate-subject.ts";
import type { certificateSchema } from "../schemas/certificate.ts";
import { instantOrNull, required, requiredInstant } from "./values.ts";

const recordedStates: Readonly<Record<CertificateState, CertificateFacts["recorded"] | undefined>> = {
  [CertificateState.CERTIFICATE_STATE_UNSPECIFIED]: undefined,
  [CertificateState.CERTIFICATE_STATE_ISSUED]: "issued",
  [CertificateState.CERTIFICATE_STATE_ACTIVE]: "active",
  [CertificateState.CERTIFICATE_STATE_REVOKED]: "revoked",
  [CertificateState.UNRECOGNIZED]: undefined,
};

/** Where a recorded certificate is in its life at `now`. */
export function stateOfRecord(record: CertificateRecord, now: Date): ReturnType<typeof certificateStateAt> {
  const facts = {
    recorded: required("certificate.state", recordedStates[record.state]),
    revocationReason: record.revocationReason,
    notAfter: required("certificate.not_after", record.notAfter),
  };
  return certificateStateAt(facts, now);
}

/** A certificate as REST shows it. `fabric`: its fabric, "deleted", or undefined if nobody could be asked. */
export function certificateToJson(
  record: CertificateRecord,
  { fabric, now }: { readonly fabric: Fabric | "deleted" | undefined; readonly now: Date },
): z.output<typeof certificateSchema> {
  const subject = certificateSubject(record.spiffeId, fabric);
  const found = fabric === "deleted" ? undefined : fabric;
  const held = found?.certificates.find(({ serialNumber }) => serialNumber === record.serialNumber);
  return {
    serialNumber: record.serialNumber,
    subject: subject.text,
    kind: subject.kind,
    spiffeId: record.spiffeId,
    fabricId: record.fabricId,
    fabric: found?.name ?? null,
    state: stateOfRecord(record, now),
    issuedAt: instantOrNull(record.issuedAt),
    activatedAt: instantOrNull(record.activatedAt),
    notBefore: requiredInstant("certificate.not_before", record.notBefore),
    notAfter: requiredInstant("certificate.not_after", record.notAfter),
    renewAt: instantOrNull(held?.renewAt ?? record.renewAt),
    lastRenewalFailure: held?.lastFailure ?? "",
    revokedAt: instantOrNull(record.revokedAt),
    revocationReason: record.revocationReason,
    fingerprintSha256: record.fingerprintSha256 === "" ? "" : `sha256:${record.fingerprintSha256}`,
    publicKeySha256: record.spkiSha256,
    issuerId: record.issuerId,
  };
}
