import type { Selectable } from "kysely";
import type { Enrolment } from "../domain/enrolment.ts";
import type { StoredToken } from "../domain/stored-token.ts";
import type { ActivationTokenTable, EnrolmentTable } from "./database.ts";

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
  };
}

export function enrolmentFromRow(row: Selectable<EnrolmentTable>): Enrolment {
  const common = {
    agentId: row.agent_id,
    tokenId: row.token_id,
    enrolledAt: row.enrolled_at,
    agentSpkiSha256: row.agent_spki_sha256,
    collectorSpkiSha256: row.collector_spki_sha256,
  };
  if (row.closed_reason !== null) return { ...common, state: "closed", reason: row.closed_reason };
  const certificate = chainFromColumns(row.certificate_serial, row.certificate_chain_der, row.certificate_not_after);
  const monitoringCertificate = chainFromColumns(
    row.collector_certificate_serial,
    row.collector_certificate_chain_der,
    row.collector_certificate_not_after,
  );
  if (row.issued_at === null || !certificate || !monitoringCertificate) return { ...common, state: "pending" };
  return { ...common, state: "issued", issuedAt: row.issued_at, certificate, monitoringCertificate };
}

/** A CHECK sees to it that the columns of both chains are null together. */
function chainFromColumns(serialNumber: string | null, certificatesDer: Buffer[] | null, notAfter: Date | null) {
  return serialNumber !== null && certificatesDer !== null && notAfter !== null
    ? { serialNumber, certificatesDer, notAfter }
    : undefined;
}
