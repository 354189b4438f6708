import { sql, type Transaction } from "@drawbridge/store";
import type { CertAuthorityDb } from "./schema.ts";

/** The right to give out positions, until the end of the transaction. */
export async function lockRevocationList(tx: Transaction<CertAuthorityDb>): Promise<{ readonly listId: string }> {
  const { rows } = await sql<{ list_id: string }>`SELECT list_id FROM revocation_list FOR UPDATE`.execute(tx);
  const [row] = rows;
  if (!row) throw new Error("the revocation list has no id: was the schema migrated?");
  return { listId: row.list_id };
}

/**
 * A reader has a position of this very list that was never given out: the database is an earlier state of the one that the
 * reader knows.
 */
export function isRestored(
  reader: { readonly afterPosition: bigint; readonly listId: string },
  list: { readonly listId: string; readonly lastPosition: bigint },
): boolean {
  return reader.listId === list.listId && reader.afterPosition > list.lastPosition;
}

/**
 * The database was found to be an earlier state of itself: have all readers read again, and let nobody begin with this list
 * before it was compared with the mirror. Of several who found the same reason, `from` the same id, one does it.
 */
export async function distrustList(
  tx: Transaction<CertAuthorityDb>,
  { from }: { readonly from: string | undefined },
): Promise<void> {
  const { listId } = await lockRevocationList(tx);
  if (from !== undefined && listId !== from) return;
  await sql`UPDATE revocation_list SET list_id = gen_random_uuid(), is_incomplete = true`.execute(tx);
}

/** Have all readers read again. Of several who found the same reason one renews. Returns the id after that. */
export async function renewListId(
  tx: Transaction<CertAuthorityDb>,
  { from }: { readonly from: string },
): Promise<string> {
  const { listId } = await lockRevocationList(tx);
  if (listId !== from) return listId;
  const { rows } = await sql<{ list_id: string }>`
    UPDATE revocation_list SET list_id = gen_random_uuid() RETURNING list_id
  `.execute(tx);
  return rows[0]?.list_id ?? listId;
}
