import { sql, type Store } from "@drawbridge/store";
import { supersededReason } from "../domain/revocation.ts";
import { lockRevocationList } from "./revocation-list-id.ts";
import { enqueueRevoked } from "./revocation-repository.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** Activated certificates that are looked at in one transaction; it holds the lock of the list. */
const batchSize = 200;

/**
 * Revoke the earlier certificates of every name of a fabric whose later one was activated at or before `activatedBefore`.
 * "Earlier" is the order of recording; also those that have expired, because a clock that says so may be wrong. Services are left alone: their replicas share a name. Returns how many were
 * revoked, and whether there may be more.
 */
export async function supersedeCertificates(
  store: Pick<Store<CertAuthorityDb>, "db" | "transaction">,
  { activatedBefore, now }: { readonly activatedBefore: Date; readonly now: Date },
): Promise<{ readonly revoked: number; readonly hasMore: boolean }> {
  const isDue = sql`is_superseding AND activated_at <= ${activatedBefore}`;
  const { rows: due } = await sql`SELECT FROM certificate WHERE ${isDue} LIMIT 1`.execute(store.db);
  if (due.length === 0) return { revoked: 0, hasMore: false }; // the usual case takes no lock
  const revoked = await store.transaction(async (tx) => {
    await lockRevocationList(tx);
    const { rows } = await sql<{ serial_number: string; spiffe_id: string; fabric_id: string }>`
      WITH superseding AS (
        UPDATE certificate SET is_superseding = false
        WHERE position IN (
          SELECT position FROM certificate WHERE ${isDue} ORDER BY activated_at LIMIT ${batchSize} FOR UPDATE
        )
        RETURNING spiffe_id, position
      ), latest AS (
        SELECT spiffe_id, max(position) AS position FROM superseding GROUP BY spiffe_id
      )
      INSERT INTO revocation (serial_number, fingerprint_sha256, spiffe_id, fabric_id, issuer_id, not_after, revoked_at,
        reason, revoked_by)
      SELECT old.serial_number, encode(sha256(old.certificate_der), 'hex'), old.spiffe_id, old.fabric_id, old.issuer_id,
        old.not_after, ${now}::timestamptz, ${supersededReason}, 'cert-authority'
      FROM latest JOIN certificate AS old ON old.spiffe_id = latest.spiffe_id AND old.position < latest.position
      WHERE old.fabric_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM revocation WHERE revocation.serial_number = old.serial_number)
      ORDER BY old.position
      ON CONFLICT (key) DO NOTHING
      RETURNING serial_number, spiffe_id, fabric_id
    `.execute(tx);
    await enqueueRevoked(tx, { rows, reason: supersededReason, now });
    return rows.length;
  });
  return { revoked, hasMore: true };
}
