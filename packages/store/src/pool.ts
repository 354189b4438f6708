import type { PostgresPool, PostgresPoolClient } from "kysely";
import { Pool, type PoolClient } from "pg";
import type { Availability } from "./availability.ts";
import { breaksConnection, translateStoreError } from "./translate-error.ts";

export interface PoolOptions {
  readonly url: string;
  readonly schema: string;
  readonly maxConnections: number;
  readonly statementTimeoutMs: number;
  readonly availability: Availability;
}

const connectTimeoutMs = 5_000;
/** The server gives up first; this catches a server that can no longer say so. */
const silenceAllowanceMs = 5_000;

/**
 * A pg pool behind the interface that Kysely needs. Here, and nowhere else, errors of pg become ours, and connections
 * that broke are thrown away instead of being handed out again.
 */
export function openPool(options: PoolOptions): PostgresPool {
  const pool = new Pool({
    connectionString: options.url,
    max: options.maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: 1_800, // follow a failover or a changed password without a restart
    keepAlive: true,
    application_name: options.schema,
    options: `-c search_path=${options.schema} -c TimeZone=UTC`,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.statementTimeoutMs + silenceAllowanceMs,
    idle_in_transaction_session_timeout: 60_000,
  });
  pool.on("error", (error) => options.availability.failed(translateStoreError(error)));
  return {
    options: {},
    connect: async () => {
      try {
        return guardClient(await pool.connect(), options.availability);
      } catch (error) {
        throw reported(error, options.availability);
      }
    },
    end: () => pool.end(),
  };
}

/** Kysely keeps state per client object; pg's own clients live on in the pool, so that ours are kept beside them. */
const guards = new WeakMap<PoolClient, PostgresPoolClient>();

function guardClient(client: PoolClient, availability: Availability): PostgresPoolClient {
  const known = guards.get(client);
  if (known) return known;
  let isBroken = false;
  client.on("error", () => {
    isBroken = true; // the query under way rejects too, or the pool reports it
  });
  async function query(text: string, parameters: readonly unknown[]): Promise<unknown> {
    try {
      const result = await client.query(text, [...parameters]);
      availability.answered(); // not before: the pool may hand out a connection that broke while nobody looked
      return result;
    } catch (error) {
      isBroken ||= breaksConnection(error);
      throw reported(error, availability);
    }
  }
  const guard: PostgresPoolClient = {
    // Kysely also allows a cursor here; none is configured, so that only text arrives.
    query: query as PostgresPoolClient["query"],
    release: (destroy) => client.release(isBroken || destroy === true),
  };
  guards.set(client, guard);
  return guard;
}

function reported(error: unknown, availability: Availability): unknown {
  const translated = translateStoreError(error);
  availability.failed(translated);
  return translated;
}
