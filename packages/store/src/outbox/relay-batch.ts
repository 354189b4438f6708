import { isDrawbridgeError } from "@drawbridge/errors";
import { sql } from "kysely";
import type { Store } from "../open-store.ts";
import type { InTransaction } from "./enqueue-event.ts";

/** A row of the outbox on its way: its payload is protobuf JSON, as it was when the fact became true. */
export interface OutboxEvent {
  readonly id: string;
  readonly type: string;
  readonly scope: string;
  readonly occurredAt: Date;
  readonly traceparent: string;
  readonly payloadJson: string;
}

export type PublishOutboxEvent = (event: OutboxEvent) => Promise<unknown>;

export type BatchResult =
  /** Another relay holds the outbox. */
  | { readonly outcome: "busy" }
  | {
      readonly outcome: "relayed";
      readonly relayed: number;
      /** Whether there may be more. */
      readonly isFull: boolean;
      /** The first failure of each scope that had one. */
      readonly failures: ReadonlyMap<string, unknown>;
    };

const kindsOfAbsence = ["unavailable", "deadline_exceeded", "resource_exhausted"] as const;

interface OutboxRow {
  readonly position: string;
  readonly id: string;
  readonly type: string;
  readonly scope: string;
  readonly occurred_at: Date;
  readonly traceparent: string;
  readonly payload: string;
}

/**
 * Publish one batch and delete what was published, in one transaction. Invariants:
 * - one relay at a time per schema (advisory lock): two would overtake each other;
 * - events of a scope leave in order of `position`, one after the other; scopes side by side;
 * - a row is deleted only after its publication was acknowledged. When the deletion is lost (the database dies between
 *   the two), the row is published again under the same id, and the stream drops the duplicate.
 */
export async function relayBatch<DB>(
  store: Pick<Store<DB>, "transaction" | "schema">,
  options: {
    readonly publish: PublishOutboxEvent;
    readonly batchSize: number;
    /** Scopes that failed for a reason of their own and wait. */
    readonly skipScopes: readonly string[];
  },
): Promise<BatchResult> {
  return store.transaction(async (tx): Promise<BatchResult> => {
    if (!(await lockOutbox(tx, store.schema))) return { outcome: "busy" };
    const { rows } = await sql<OutboxRow>`
      SELECT position, id, type, scope, occurred_at, traceparent, payload FROM outbox
      WHERE NOT scope = ANY(${options.skipScopes}::text[])
      ORDER BY position LIMIT ${options.batchSize} FOR UPDATE SKIP LOCKED
    `.execute(tx);
    const { published, failures } = await publishByScope(rows, options.publish);
    if (published.length > 0) await sql`DELETE FROM outbox WHERE position = ANY(${published}::bigint[])`.execute(tx);
    return { outcome: "relayed", relayed: published.length, isFull: rows.length === options.batchSize, failures };
  });
}

async function lockOutbox(tx: InTransaction, schema: string): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`drawbridge outbox ${schema}`}, 0)) AS locked
  `.execute(tx);
  return rows[0]?.locked ?? false;
}

async function publishByScope(
  rows: readonly OutboxRow[],
  publish: PublishOutboxEvent,
): Promise<{ readonly published: readonly string[]; readonly failures: ReadonlyMap<string, unknown> }> {
  const published: string[] = [];
  const failures = new Map<string, unknown>();
  let isBusAway = false;
  const scopes = Map.groupBy(rows, (row) => row.scope);
  await Promise.all(
    [...scopes].map(async ([scope, ofScope]) => {
      for (const row of ofScope) {
        if (isBusAway) return;
        try {
          await publish(eventFromRow(row));
          published.push(row.position);
        } catch (error) {
          isBusAway ||= meansBusAway(error);
          failures.set(scope, error);
          return;
        }
      }
    }),
  );
  return { published, failures };
}

/** As opposed to one event that is refused. A bus that is full is away for everybody. */
export function meansBusAway(error: unknown): boolean {
  return isDrawbridgeError(error) && kindsOfAbsence.some((kind) => kind === error.kind);
}

function eventFromRow(row: OutboxRow): OutboxEvent {
  return {
    id: row.id,
    type: row.type,
    scope: row.scope,
    occurredAt: row.occurred_at,
    traceparent: row.traceparent,
    payloadJson: row.payload,
  };
}
