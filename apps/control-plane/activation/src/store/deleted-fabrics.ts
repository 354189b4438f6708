import { sql, type Transaction } from "@drawbridge/store";
import type { ActivationDatabase } from "./database.ts";

type Tx = Transaction<ActivationDatabase>;

/**
 * Keep a deletion apart from the creation of tokens, until the end of the transaction: a token is either there when its
 * fabric's tokens are revoked, or its creation sees the tombstone. What follows is bound to the token's row.
 */
export async function lockFabric(tx: Tx, fabricId: string, mode: "create" | "delete"): Promise<void> {
  const key = sql`hashtextextended(${`drawbridge activation fabric ${fabricId}`}, 0)`;
  await (mode === "delete"
    ? sql`SELECT pg_advisory_xact_lock(${key})`.execute(tx)
    : sql`SELECT pg_advisory_xact_lock_shared(${key})`.execute(tx));
}

export async function isFabricDeleted(tx: Tx, fabricId: string): Promise<boolean> {
  const row = await tx
    .selectFrom("deleted_fabric")
    .select("fabric_id")
    .where("fabric_id", "=", fabricId)
    .executeTakeFirst();
  return row !== undefined;
}

/** Part of the condition of a statement on rows of a fabric: it was not deleted. */
export function isFabricThere(table: "activation_token" | "enrolment") {
  return sql<boolean>`NOT EXISTS (
    SELECT FROM deleted_fabric WHERE deleted_fabric.fabric_id = ${sql.ref(`${table}.fabric_id`)}
  )`;
}
