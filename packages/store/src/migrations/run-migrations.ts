import { cryptoRandom, retryWithBackoff, systemClock } from "@drawbridge/lifecycle";
import { Client, escapeIdentifier } from "pg";
import { assertSchemaName, type StoreUrl } from "../open-store.ts";
import type { StoreLogger } from "../store-logger.ts";
import { translateStoreError } from "../translate-error.ts";
import { planMigrations, type AppliedMigration } from "./plan-migrations.ts";
import { readMigrations, type Migration } from "./read-migrations.ts";

export interface RunMigrationsOptions {
  readonly url: StoreUrl;
  /** Created when missing. */
  readonly schema: string;
  /** Holds `NNNN_name.sql` files. */
  readonly directory: string;
  readonly logger: StoreLogger;
}

const connectAttempts = 12;

/**
 * Bring a schema up to date: each file in a transaction of its own, recorded with its checksum. Any number of processes
 * may try at once; one works, the others wait and find nothing to do. Returns the names that were applied.
 * @throws DrawbridgeError `STORE_MIGRATION_INVALID` | `STORE_MIGRATION_CHANGED` | `STORE_MIGRATION_ORDER` | `STORE_UNAVAILABLE` | `STORE_FAILED`
 */
export async function runMigrations(options: RunMigrationsOptions): Promise<readonly string[]> {
  assertSchemaName(options.schema);
  const files = await readMigrations(options.directory);
  const client = await connect(typeof options.url === "string" ? options.url : options.url.reveal(), options.schema);
  try {
    return await migrate(client, files, options);
  } catch (error) {
    throw translateStoreError(error);
  } finally {
    await client.end().catch(() => undefined); // a connection that broke is closed already
  }
}

async function migrate(
  client: Client,
  files: readonly Migration[],
  options: RunMigrationsOptions,
): Promise<readonly string[]> {
  const { schema, logger } = options;
  // Held by the session: a process that dies gives it back.
  await client.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [`drawbridge migrate ${schema}`]);
  const found = await client.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
  if (found.rowCount === 0) await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`);
  await client.query(`CREATE TABLE IF NOT EXISTS schema_migration (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
  )`);
  const applied = await client.query<AppliedMigration>("SELECT name, checksum FROM schema_migration ORDER BY name");
  const pending = planMigrations(files, applied.rows);
  for (const migration of pending) {
    await applyOne(client, migration);
    logger.info({ schema, migration: migration.name }, "migration applied");
  }
  if (pending.length === 0) logger.info({ schema, migrations: applied.rowCount }, "schema is up to date");
  return pending.map((migration) => migration.name);
}

async function applyOne(client: Client, migration: Migration): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query(migration.sql);
    await client.query("INSERT INTO schema_migration (name, checksum) VALUES ($1, $2)", [
      migration.name,
      migration.checksum,
    ]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined); // the first error is the one to report
    throw error;
  }
}

async function connect(url: string, schema: string): Promise<Client> {
  return retryWithBackoff(
    async () => {
      const client = new Client({
        connectionString: url,
        connectionTimeoutMillis: 5_000,
        application_name: `${schema} migrate`,
        options: `-c search_path=${schema} -c TimeZone=UTC`,
      });
      client.on("error", () => undefined); // the query under way rejects too
      try {
        await client.connect();
        return client;
      } catch (error) {
        await client.end().catch(() => undefined);
        throw translateStoreError(error);
      }
    },
    { clock: systemClock, random: cryptoRandom, maxAttempts: connectAttempts },
    new AbortController().signal,
  );
}
