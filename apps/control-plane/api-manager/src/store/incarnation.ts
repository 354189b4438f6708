import { sql, type Store, type Transaction } from "@drawbridge/store";
import type { ApiManagerDatabase } from "./database.ts";

/** A life of this record; a restore from a backup begins another one. */
export interface Incarnation {
  readonly incarnationId: string;
  readonly createdAt: Date;
}

/** How far a record has come. */
export interface RecordPosition extends Incarnation {
  /** Changes so far, of all organisations; within an incarnation it only grows. */
  readonly changes: bigint;
}

export async function readIncarnation(tx: Pick<Transaction<ApiManagerDatabase>, "selectFrom">): Promise<Incarnation> {
  const row = await tx.selectFrom("incarnation").select(["incarnation_id", "created_at"]).executeTakeFirstOrThrow();
  return { incarnationId: row.incarnation_id, createdAt: row.created_at };
}

/** When a root counts as issued: with its revision, but not before the record's life began. */
export function issuedAtIn({ createdAt }: Pick<Incarnation, "createdAt">, revisionMadeAt: Date): Date {
  return createdAt > revisionMadeAt ? createdAt : revisionMadeAt;
}

export async function readPosition({ db }: Pick<Store<ApiManagerDatabase>, "db">): Promise<RecordPosition> {
  const { rows } = await sql<{ incarnation_id: string; created_at: Date; changes: string }>`
    SELECT incarnation_id, created_at, (SELECT coalesce(sum(edition), 0) FROM organisation) AS changes FROM incarnation
  `.execute(db);
  const [row] = rows;
  if (!row) throw new Error("the record has no incarnation: the migration that made it was undone by hand");
  return { incarnationId: row.incarnation_id, createdAt: row.created_at, changes: BigInt(row.changes) };
}

/**
 * Whether a record that had come to `seen` is at an earlier state now: with fewer changes, or in an earlier life, as from a
 * backup that is older than the restore before.
 */
export function isPutBack(now: RecordPosition, seen: RecordPosition): boolean {
  if (now.incarnationId === seen.incarnationId) return now.changes < seen.changes;
  return now.createdAt < seen.createdAt;
}

/** Begin another life, unless somebody else has. */
export async function renewIncarnation(
  { db }: Pick<Store<ApiManagerDatabase>, "db">,
  earlier: string,
): Promise<"renewed" | "was renewed"> {
  const { numAffectedRows } = await sql`
    UPDATE incarnation SET incarnation_id = gen_random_uuid() WHERE incarnation_id = ${earlier}
  `.execute(db);
  return numAffectedRows === 1n ? "renewed" : "was renewed";
}
