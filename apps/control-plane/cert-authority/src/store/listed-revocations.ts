import { sql, type Store } from "@drawbridge/store";
import { listedAfterExpiryMs } from "../domain/revocation.ts";
import { lockRevocationList } from "./revocation-list-id.ts";
import type { CertAuthorityDb } from "./schema.ts";

const unlistBatchSize = 1_000;
/** Written in one transaction; it holds the lock of the list. */
const listBatchSize = 5_000;

/**
 * Entries whose certificates have been expired for a day leave the list, and need no mirroring; the record of the
 * revocation stays. Index revocation_ending.
 */
export async function unlistExpired(store: Pick<Store<CertAuthorityDb>, "db">, now: Date): Promise<void> {
  await sql`
    UPDATE revocation SET is_listed = false, is_mirrored = true
    WHERE position IN (
      SELECT position FROM revocation
      WHERE is_listed AND not_after < ${listedSince(now)}
      LIMIT ${unlistBatchSize}
    )
  `.execute(store.db);
}

/**
 * Entries that left the list while the clock was ahead come back. They get new positions: readers that started meanwhile
 * have passed the old ones. Returns how many. Index revocation_unlisted.
 */
export async function listAgain(store: Pick<Store<CertAuthorityDb>, "db" | "transaction">, now: Date): Promise<number> {
  const isMissing = sql`NOT is_listed AND not_after >= ${listedSince(now)}`;
  let listed = 0;
  for (;;) {
    const { rows: missing } = await sql`SELECT FROM revocation WHERE ${isMissing} LIMIT 1`.execute(store.db);
    if (missing.length === 0) return listed; // the usual case takes no lock
    listed += await store.transaction(async (tx) => {
      await lockRevocationList(tx);
      const { numAffectedRows } = await sql`
        UPDATE revocation SET is_listed = true, is_mirrored = false, position = DEFAULT
        WHERE position IN (SELECT position FROM revocation WHERE ${isMissing} LIMIT ${listBatchSize})
      `.execute(tx);
      return Number(numAffectedRows ?? 0n);
    });
  }
}

function listedSince(now: Date): Date {
  return new Date(now.getTime() - listedAfterExpiryMs);
}
