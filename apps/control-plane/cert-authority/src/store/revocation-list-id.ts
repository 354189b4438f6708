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
