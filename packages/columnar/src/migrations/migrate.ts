import type { ColumnarEngine } from "../columnar-engine.ts";
import type { ColumnarLogger } from "../columnar-logger.ts";
import { rowsFromJsonCompact } from "../rows.ts";
import { fillDdl, onCluster } from "./fill-ddl.ts";
import { checksumOf, planMigrations, type ColumnarMigration } from "./plan-migrations.ts";

/** One row for each applied migration; the table is the store's own. */
const table = "schema_migration";

/**
 * Bring the store's schema up to date and answer the names that were applied. Without transactions in ClickHouse, what
 * makes it safe is that each statement may run twice: a process that dies in the middle, or a second one at the same
 * time, repeats statements that change nothing and records a name that is recorded already.
 */
export async function migrate(
  engine: ColumnarEngine,
  migrations: readonly ColumnarMigration[],
  logger: ColumnarLogger,
): Promise<readonly string[]> {
  const tableEngine =
    engine.dialect.kind === "single"
      ? "MergeTree"
      : "ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{shard}-{replica}')";
  await run(
    engine,
    `CREATE TABLE IF NOT EXISTS ${table} ${onCluster(engine.dialect)} (name String, checksum String, applied_at DateTime('UTC') DEFAULT now()) ` +
      `ENGINE = ${tableEngine} ORDER BY name`,
  );
  const pending = planMigrations(migrations, await readApplied(engine));
  for (const migration of pending) {
    for (const template of migration.statements) {
      const statement = fillDdl(template, engine.dialect);
      if (statement !== undefined) await run(engine, statement);
    }
    await record(engine, migration);
    logger.info({ migration: migration.name }, "columnar migration applied");
  }
  return pending.map(({ name }) => name);
}

async function readApplied(engine: ColumnarEngine): Promise<readonly { name: string; checksum: string }[]> {
  const text = await engine.query({
    text: `SELECT DISTINCT name, checksum FROM ${table} ORDER BY name`,
    parameters: {},
    settings: {},
  });
  return rowsFromJsonCompact(text, "string").map(({ name, checksum }) => ({
    name: String(name),
    checksum: String(checksum),
  }));
}

async function record(engine: ColumnarEngine, migration: ColumnarMigration): Promise<void> {
  await engine.command({
    text: `INSERT INTO ${table} (name, checksum) SELECT {name:String}, {checksum:String}`,
    parameters: { name: migration.name, checksum: checksumOf(migration) },
    settings: {},
  });
}

async function run(engine: ColumnarEngine, text: string): Promise<void> {
  await engine.command({ text, parameters: {}, settings: {} });
}
