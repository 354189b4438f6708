import { sql, type Store } from "@drawbridge/store";
import { distrustList } from "./revocation-list-id.ts";
import type { CertAuthorityDb } from "./schema.ts";

export interface ListCompleteness {
  /** No position above this was ever given out. */
  readonly lastPosition: bigint;
  /** Of the newest revocation; it is on disk. 0 if there is none. */
  readonly newestPosition: bigint;
  /** The database was restored, and not compared with the mirror since. */
  readonly isIncomplete: boolean;
}

export async function readCompleteness(store: Pick<Store<CertAuthorityDb>, "db">): Promise<ListCompleteness> {
  const { rows } = await sql<{ last: string; newest: string; is_incomplete: boolean }>`
    SELECT (SELECT last_value FROM revocation_position) AS last,
      (SELECT coalesce(max(position), 0) FROM revocation) AS newest, is_incomplete
    FROM revocation_list
  `.execute(store.db);
  const [row] = rows;
  if (!row) throw new Error("the revocation list has no id: was the schema migrated?");
  return {
    lastPosition: BigInt(row.last),
    newestPosition: BigInt(row.newest),
    isIncomplete: row.is_incomplete,
  };
}

/** The database lacks what was revoked: readers read again, until the mirror is compared nobody begins with it. */
export async function markIncomplete(store: Pick<Store<CertAuthorityDb>, "transaction">): Promise<void> {
  await store.transaction((tx) => distrustList(tx, { from: undefined }));
}
