import { createHash } from "node:crypto";
import { invalid, refused } from "../columnar-errors.ts";

/** One step of a schema. */
export interface ColumnarMigration {
  /** Such as `0001_create_api_events`; its order is that of the names. */
  readonly name: string;
  /** DDL with placeholders (see fillDdl), each safe to run twice. */
  readonly statements: readonly string[];
}

export interface AppliedMigration {
  readonly name: string;
  readonly checksum: string;
}

/** ClickHouse has no transaction around DDL: a step that was cut off is run again from its beginning. */
const repeatable = [
  /^CREATE\s+(TABLE|MATERIALIZED\s+VIEW|VIEW|DICTIONARY)\s+IF\s+NOT\s+EXISTS\b/i,
  /^DROP\s+(TABLE|VIEW|DICTIONARY)\s+IF\s+EXISTS\b/i,
  /^ALTER\s+TABLE\s+\S+\s+(\$\{on_cluster\}\s+)?(ADD|DROP)\s+(COLUMN|INDEX|PROJECTION)\s+IF\s+(NOT\s+)?EXISTS\b/i,
  /^ALTER\s+TABLE\s+\S+\s+(\$\{on_cluster\}\s+)?(MODIFY|COMMENT)\b/i,
  /^\$\{distributed:/,
];

/** Of the templates, so that it is the same for every engine. */
export function checksumOf(migration: ColumnarMigration): string {
  return createHash("sha256").update(JSON.stringify(migration.statements)).digest("hex");
}

/**
 * What is still to be applied, in order.
 * @throws DrawbridgeError `COLUMNAR_MIGRATION_INVALID` | `COLUMNAR_MIGRATION_CHANGED` | `COLUMNAR_MIGRATION_UNKNOWN`
 */
export function planMigrations(
  migrations: readonly ColumnarMigration[],
  applied: readonly AppliedMigration[],
): readonly ColumnarMigration[] {
  assertWellFormed(migrations);
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const { name, checksum } of applied) {
    const migration = known.get(name);
    if (migration === undefined) {
      throw refused(
        "COLUMNAR_MIGRATION_UNKNOWN",
        `${name} was applied to this store, but this program does not know it: run the newer program`,
        { migration: name },
      );
    }
    if (checksumOf(migration) !== checksum) {
      throw refused(
        "COLUMNAR_MIGRATION_CHANGED",
        `${name} was changed after it was applied: put the change into a new migration`,
        { migration: name },
      );
    }
  }
  const done = new Set(applied.map(({ name }) => name));
  const newest = [...done].toSorted().at(-1) ?? "";
  const pending = migrations.filter(({ name }) => !done.has(name));
  const late = pending.find(({ name }) => name < newest);
  if (late !== undefined)
    throw refused("COLUMNAR_MIGRATION_CHANGED", `${late.name} stands before ${newest}, which is applied`);
  return pending;
}

function assertWellFormed(migrations: readonly ColumnarMigration[]): void {
  let previous = "";
  for (const { name, statements } of migrations) {
    if (!/^\d{4}_[a-z0-9_]+$/.test(name) || name <= previous) {
      throw invalid("COLUMNAR_MIGRATION_INVALID", `${name}: name it like 0001_create_events, in rising order`);
    }
    previous = name;
    for (const statement of statements) {
      if (!repeatable.some((form) => form.test(statement.trim()))) {
        throw invalid(
          "COLUMNAR_MIGRATION_INVALID",
          `${name}: a statement is not safe to run twice (IF NOT EXISTS, IF EXISTS, MODIFY): ${statement.trim().slice(0, 80)}`,
        );
      }
    }
  }
}
