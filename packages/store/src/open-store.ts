import { DrawbridgeError } from "@drawbridge/errors";
import {
  createLoop,
  cryptoRandom,
  retryWithBackoff,
  systemClock,
  type Clock,
  type Component,
  type HealthCheck,
  type Random,
} from "@drawbridge/lifecycle";
import { AbortedTransactionError, Kysely, PostgresDialect, sql, type Transaction } from "kysely";
import { createAvailability } from "./availability.ts";
import { forgetEnqueued } from "./outbox/enqueued.ts";
import { openPool } from "./pool.ts";
import type { StoreLogger } from "./store-logger.ts";

/** A secret, or its plain text: `@drawbridge/config`'s Secret fits. */
export type StoreUrl = string | { reveal(): string };

export interface OpenStoreOptions {
  /** postgres://user:password@host:port/database */
  readonly url: StoreUrl;
  /** The service's own schema, set as search_path: lower case, digits and `_`. */
  readonly schema: string;
  readonly logger: StoreLogger;
  /** Default 10. */
  readonly maxConnections?: number;
  /** What one statement may take. Default 15 s. */
  readonly statementTimeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface Store<DB> extends Component {
  /** For single statements and reads. `bigint` columns are read as text, `bytea` as Buffer, `timestamptz` as Date. */
  readonly db: Kysely<DB>;
  /**
   * Run `work` in one transaction (read committed). Events that it enqueued are relayed at once after the commit. Not
   * repeated by itself: STORE_CONFLICT goes to the caller. STORE_UNAVAILABLE can mean that the commit happened.
   */
  transaction<T>(work: (tx: Transaction<DB>) => Promise<T>): Promise<T>;
  readonly health: HealthCheck;
  readonly schema: string;
  /** Call `listener` after each commit of a transaction that enqueued events. */
  onEventsCommitted(listener: () => void): void;
}

const probeIntervalMs = 5_000;

/**
 * A pool on the service's schema. `start` waits, with backoff, until the database answers; later outages are survived:
 * statements reject with STORE_UNAVAILABLE until it is back.
 */
export function openStore<DB>(options: OpenStoreOptions): Store<DB> {
  assertSchemaName(options.schema);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? cryptoRandom;
  const availability = createAvailability(options.logger, clock);
  const db = new Kysely<DB>({
    dialect: new PostgresDialect({
      pool: openPool({
        url: typeof options.url === "string" ? options.url : options.url.reveal(),
        schema: options.schema,
        maxConnections: options.maxConnections ?? 10,
        statementTimeoutMs: options.statementTimeoutMs ?? 15_000,
        availability,
      }),
    }),
  });
  const listeners = new Set<() => void>();
  const probe = createLoop({
    name: "database probe",
    clock,
    intervalMs: probeIntervalMs,
    pass: async () => void (await sql`SELECT 1`.execute(db)),
    onError: () => undefined, // the pool has reported it
  });

  return {
    name: "store",
    schema: options.schema,
    db,
    health: () => availability.missing(),
    onEventsCommitted: (listener) => void listeners.add(listener),
    async transaction(work) {
      let hasEvents = false;
      const result = await inTransaction(db, async (tx) => {
        try {
          return await work(tx);
        } finally {
          hasEvents = forgetEnqueued(tx);
        }
      });
      if (hasEvents) for (const listener of listeners) listener();
      return result;
    },
    async start(signal) {
      await retryWithBackoff(() => sql`SELECT 1`.execute(db), { clock, random }, signal);
      await probe.start(signal);
    },
    async stop(deadline) {
      await probe.stop(deadline);
      await db.destroy();
    },
  };
}

async function inTransaction<DB, T>(db: Kysely<DB>, work: (tx: Transaction<DB>) => Promise<T>): Promise<T> {
  try {
    return await db.transaction().execute(work);
  } catch (error) {
    if (!(error instanceof AbortedTransactionError)) throw error;
    throw new DrawbridgeError({
      kind: "aborted",
      code: "STORE_CONFLICT",
      message: "the transaction was rolled back: a statement in it had failed",
      cause: error,
    });
  }
}

/** It becomes part of the connection's start-up options, where nothing is quoted. */
export function assertSchemaName(schema: string): void {
  if (/^[a-z][a-z0-9_]{0,62}$/.test(schema)) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "STORE_SCHEMA_INVALID",
    message: `"${schema}" is no schema name: use lower-case letters, digits and "_"`,
  });
}
