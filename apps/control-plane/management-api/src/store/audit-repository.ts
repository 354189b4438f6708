import type { Store } from "@drawbridge/store";
import type { Selectable, Transaction } from "kysely";
import { type AuditEntry, type AuditHead, type AuditRecord, chainEntry } from "../domain/audit-record.ts";
import type { Database } from "./database.ts";

/** A write that has begun and whose outcome is not known yet. */
export type AuditIntent = Pick<AuditEntry, "requestId" | "actor" | "address" | "action" | "target" | "details"> & {
  readonly intentId: string;
  readonly begunAt: Date;
};

/**
 * The audit log in PostgreSQL. Invariants: `append` locks the only row of audit_head first, so that appends of all
 * replicas come one after the other and seq has no gaps; an intent is removed in the transaction that appends its outcome.
 */
export interface AuditRepository {
  /** Append inside the caller's transaction; the caller takes no other lock afterwards. */
  append(tx: Transaction<Database>, entry: AuditEntry): Promise<AuditRecord>;
  insertIntent(intent: AuditIntent): Promise<void>;
  /** Append the outcome of an intent and forget the intent. */
  completeIntent(intentId: string, entry: AuditEntry): Promise<void>;
  /** Turn intents that began before `before` into records, at most `limit`. Answers how many. */
  closeAbandoned(before: Date, limit: number, entryOf: (intent: AuditIntent) => AuditEntry): Promise<number>;
  /** Newest first, from below `beforeSeq`. */
  list(options: { readonly limit: number; readonly beforeSeq: bigint | undefined }): Promise<readonly AuditRecord[]>;
  /** Oldest first, from above `afterSeq`; for verification. */
  read(afterSeq: bigint, limit: number): Promise<readonly AuditRecord[]>;
  readHead(): Promise<AuditHead>;
}

export function createAuditRepository(store: Pick<Store<Database>, "db" | "transaction">): AuditRepository {
  const repository: AuditRepository = {
    async append(tx, entry) {
      const row = await tx.selectFrom("audit_head").select(["seq", "hash"]).forUpdate().executeTakeFirstOrThrow();
      const record = chainEntry({ seq: BigInt(row.seq), hash: row.hash }, entry);
      await tx.insertInto("audit_record").values(recordToRow(record)).execute();
      await tx
        .updateTable("audit_head")
        .set({ seq: String(record.seq), hash: record.hash })
        .execute();
      return record;
    },

    async insertIntent(intent) {
      await store.db
        .insertInto("audit_intent")
        .values({
          intent_id: intent.intentId,
          begun_at: intent.begunAt,
          request_id: intent.requestId,
          actor: intent.actor,
          address: intent.address,
          action: intent.action,
          target: intent.target,
          details: JSON.stringify(intent.details),
        })
        .execute();
    },

    async completeIntent(intentId, entry) {
      await store.transaction(async (tx) => {
        await tx.deleteFrom("audit_intent").where("intent_id", "=", intentId).execute();
        await repository.append(tx, entry);
      });
    },

    closeAbandoned: (before, limit, entryOf) =>
      store.transaction(async (tx) => {
        const rows = await tx
          .selectFrom("audit_intent")
          .selectAll()
          .where("begun_at", "<", before)
          .orderBy("begun_at")
          .limit(limit)
          .forUpdate()
          .skipLocked()
          .execute();
        for (const row of rows) {
          await tx.deleteFrom("audit_intent").where("intent_id", "=", row.intent_id).execute();
          await repository.append(tx, entryOf(intentFromRow(row)));
        }
        return rows.length;
      }),

    async list({ limit, beforeSeq }) {
      const rows = await store.db
        .selectFrom("audit_record")
        .selectAll()
        .$if(beforeSeq !== undefined, (query) => query.where("seq", "<", String(beforeSeq)))
        .orderBy("seq", "desc")
        .limit(limit)
        .execute();
      return rows.map(recordFromRow);
    },

    async read(afterSeq, limit) {
      const rows = await store.db
        .selectFrom("audit_record")
        .selectAll()
        .where("seq", ">", String(afterSeq))
        .orderBy("seq")
        .limit(limit)
        .execute();
      return rows.map(recordFromRow);
    },

    async readHead() {
      const row = await store.db.selectFrom("audit_head").select(["seq", "hash"]).executeTakeFirstOrThrow();
      return { seq: BigInt(row.seq), hash: row.hash };
    },
  };
  return repository;
}

function recordToRow(record: AuditRecord) {
  return {
    seq: String(record.seq),
    prev_hash: record.prevHash,
    hash: record.hash,
    occurred_at: record.occurredAt,
    request_id: record.requestId,
    actor: record.actor,
    address: record.address,
    action: record.action,
    target: record.target,
    result: record.result,
    status_code: record.statusCode,
    error_code: record.errorCode,
    details: JSON.stringify(record.details),
  };
}

function recordFromRow(row: Selectable<Database["audit_record"]>): AuditRecord {
  return {
    seq: BigInt(row.seq),
    prevHash: row.prev_hash,
    hash: row.hash,
    occurredAt: row.occurred_at,
    requestId: row.request_id,
    actor: row.actor,
    address: row.address,
    action: row.action,
    target: row.target,
    result: row.result,
    statusCode: row.status_code,
    errorCode: row.error_code,
    details: row.details,
  };
}

function intentFromRow(row: Selectable<Database["audit_intent"]>): AuditIntent {
  return {
    intentId: row.intent_id,
    begunAt: row.begun_at,
    requestId: row.request_id,
    actor: row.actor,
    address: row.address,
    action: row.action,
    target: row.target,
    details: row.details,
  };
}
