import { sql, type Kysely } from "@drawbridge/store";
import type { CertAuthorityDb } from "./schema.ts";

/** What PostgreSQL's clock says at this moment, also in a transaction that has waited for a lock. */
export async function readDatabaseClock(db: Kysely<CertAuthorityDb>): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  const [row] = rows;
  if (!row) throw new Error("PostgreSQL did not say what time it is");
  return row.now;
}
