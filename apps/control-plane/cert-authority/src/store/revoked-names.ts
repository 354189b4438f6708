import { sql, type Transaction } from "@drawbridge/store";
import type { SignedCertificate } from "../domain/certificate.ts";
import type { CertAuthorityDb } from "./schema.ts";

export interface RevokedName {
  readonly serialNumber: string;
  readonly spiffeId: string;
  readonly revokedAt: Date;
  readonly reason: string;
}

/**
 * Until the end of the transaction: several record at once, and nobody revokes meanwhile. Take it in a statement of its
 * own, before looking: a statement sees what was committed when it began. Waiters are served in their order.
 */
export async function lockNames(tx: Transaction<CertAuthorityDb>, work: "recording" | "revoking"): Promise<void> {
  const key = sql`hashtextextended('drawbridge cert-authority names', 0)`;
  await (work === "revoking"
    ? sql`SELECT pg_advisory_xact_lock(${key})`.execute(tx)
    : sql`SELECT pg_advisory_xact_lock_shared(${key})`.execute(tx));
}

/** Revocations that may stand against these. Indexes revocation_name and revocation_serial_number. */
export async function findRevoked(
  tx: Transaction<CertAuthorityDb>,
  certificates: readonly SignedCertificate[],
): Promise<readonly RevokedName[]> {
  const fabrics = certificates.filter(({ fabricId }) => fabricId !== undefined);
  const since = new Date(Math.min(...certificates.map(({ decidedAt }) => decidedAt.getTime())));
  const callers = certificates.flatMap(({ callerSerialNumber }) => callerSerialNumber ?? []);
  const { rows } = await sql<{ serial_number: string; spiffe_id: string; revoked_at: Date; reason: string }>`
    SELECT serial_number, spiffe_id, revoked_at, reason FROM revocation
    WHERE reason <> 'superseded' AND spiffe_id = ANY(${[...new Set(fabrics.map(({ spiffeId }) => spiffeId))]}::text[])
      AND revoked_at >= ${since}::timestamptz AND serial_number IS NOT NULL
    UNION ALL
    SELECT serial_number, spiffe_id, revoked_at, reason FROM revocation WHERE serial_number = ANY(${callers}::text[])
  `.execute(tx);
  return rows.map((row) => ({
    serialNumber: row.serial_number,
    spiffeId: row.spiffe_id,
    revokedAt: row.revoked_at,
    reason: row.reason,
  }));
}

/** What stands against this certificate. */
export function revokedOf(certificate: SignedCertificate, revoked: readonly RevokedName[]) {
  const found = revoked.find(({ serialNumber, spiffeId, revokedAt }) =>
    certificate.fabricId === undefined
      ? serialNumber === certificate.callerSerialNumber
      : spiffeId === certificate.spiffeId && revokedAt.getTime() >= certificate.decidedAt.getTime(),
  );
  return found && { serialNumber: found.serialNumber, reason: found.reason };
}
