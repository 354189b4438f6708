import type { Selectable } from "kysely";
import type { Enrolment, IssuedCertificates } from "../domain/enrolment.ts";
import type { Recovery } from "../domain/recovery-state.ts";
import type { Applicant, StoredToken, TokenApproval } from "../domain/stored-token.ts";
import type {
  ActivationApplicantTable,
  ActivationTokenTable,
  EnrolmentTable,
  IssuedColumns,
  RecoveryTable,
} from "./database.ts";

export function tokenFromRow(row: Selectable<ActivationTokenTable>, agentId: string | undefined): StoredToken {
  return {
    tokenId: row.token_id,
    sha256: row.token_sha256,
    fabricId: row.fabric_id,
    fabricName: row.fabric_name,
    org: row.org,
    state: row.state,
    createdBy: row.created_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    redeemedAt: row.redeemed_at ?? undefined,
    agentId,
    refusedUses: row.refused_uses,
    allowedNetworks: row.allowed_networks,
    keySha256: row.key_sha256 ?? undefined,
    approval: approvalFromRow(row),
  };
}

function approvalFromRow(row: Selectable<ActivationTokenTable>): TokenApproval {
  const { approved_key_sha256: keySha256, approved_by: by, approved_at: at } = row;
  if (!row.requires_approval) return { state: "not_needed" };
  return keySha256 === null || by === null || at === null
    ? { state: "awaited" } // null together
    : { state: "given", keySha256, by, at };
}

export function applicantFromRow(row: Selectable<ActivationApplicantTable>): Applicant {
  return {
    keySha256: row.key_sha256,
    remoteAddress: row.remote_address,
    agentVersion: row.agent_version,
    firstAskedAt: row.first_asked_at,
    lastAskedAt: row.last_asked_at,
  };
}

export function enrolmentFromRow(row: Selectable<EnrolmentTable>): Enrolment {
  const common = {
    agentId: row.agent_id,
    tokenId: row.token_id,
    enrolledAt: row.enrolled_at,
    joinNonce: row.join_nonce ?? undefined,
    agentSpkiSha256: row.agent_spki_sha256,
    collectorSpkiSha256: row.collector_spki_sha256,
  };
  if (row.closed_reason !== null) return { ...common, state: "closed", reason: row.closed_reason };
  const issued = issuedFromRow(row);
  return issued ? { ...common, state: "issued", ...issued } : { ...common, state: "pending" };
}

export function recoveryFromRow(row: Selectable<RecoveryTable>): Recovery {
  return {
    challengeId: row.challenge_id,
    agentId: row.agent_id,
    join: { sequence: row.join_sequence, nonce: row.join_nonce },
    presentedJoinStateSha256: row.presented_join_state_sha256,
    agentSpkiSha256: row.agent_spki_sha256,
    collectorSpkiSha256: row.collector_spki_sha256,
    allowedBy: row.allowed_by ?? undefined,
    begunAt: row.begun_at,
    issued: issuedFromRow(row),
  };
}

/** What was issued, once it was; the columns of a redemption and of a recovery are the same. */
export function issuedFromRow(
  row: Pick<Selectable<EnrolmentTable>, keyof IssuedColumns>,
): (IssuedCertificates & { readonly issuedAt: Date }) | undefined {
  const certificate = chainFromColumns(row.certificate_serial, row.certificate_chain_der, row.certificate_not_after);
  const monitoringCertificate = chainFromColumns(
    row.collector_certificate_serial,
    row.collector_certificate_chain_der,
    row.collector_certificate_not_after,
  );
  if (row.issued_at === null || !certificate || !monitoringCertificate) return undefined;
  return { issuedAt: row.issued_at, certificate, monitoringCertificate };
}

export function issuedToRow(issued: IssuedCertificates, now: Date) {
  const { certificate, monitoringCertificate } = issued;
  return {
    issued_at: now,
    certificate_serial: certificate.serialNumber,
    certificate_chain_der: [...certificate.certificatesDer],
    certificate_not_after: certificate.notAfter,
    collector_certificate_serial: monitoringCertificate.serialNumber,
    collector_certificate_chain_der: [...monitoringCertificate.certificatesDer],
    collector_certificate_not_after: monitoringCertificate.notAfter,
  };
}

/** A CHECK sees to it that the columns of both chains are null together. */
function chainFromColumns(serialNumber: string | null, certificatesDer: Buffer[] | null, notAfter: Date | null) {
  return serialNumber !== null && certificatesDer !== null && notAfter !== null
    ? { serialNumber, certificatesDer, notAfter }
    : undefined;
}
