import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { inboxMigrationSql } from "../inbox/inbox-sql.ts";
import { outboxMigrationSql } from "../outbox/outbox-sql.ts";

export interface Migration {
  /** File name, such as `0001_create_activation_token.sql`. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of `sql`, hex. */
  readonly checksum: string;
}

/** Published SQL by name and version; a version never changes. */
const includes: Readonly<Record<string, string>> = {
  "outbox.v1": outboxMigrationSql,
  "inbox.v1": inboxMigrationSql,
};

/**
 * The migrations of a service in their order. A line `-- drawbridge:include outbox.v1` (or `inbox.v1`) is replaced by
 * the store's own SQL.
 * @throws DrawbridgeError `STORE_MIGRATION_INVALID` (invalid_argument)
 */
export async function readMigrations(directory: string): Promise<readonly Migration[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).toSorted();
  const numbers = new Set<string>();
  const migrations: Migration[] = [];
  for (const name of names) {
    const number = /^(\d{4})_[a-z0-9_]+\.sql$/.exec(name)?.[1];
    if (number === undefined) throw invalid(`${name}: name it like 0001_create_fabric.sql`);
    if (numbers.has(number)) throw invalid(`${name}: the number ${number} is taken by another file`);
    numbers.add(number);
    const sql = expandIncludes(name, await readFile(join(directory, name), "utf8"));
    migrations.push({ name, sql, checksum: createHash("sha256").update(sql).digest("hex") });
  }
  return migrations;
}

function expandIncludes(name: string, text: string): string {
  return text.replaceAll(/^-- drawbridge:include (\S+)[^\S\n]*$/gm, (_line, include: string) => {
    const sql = includes[include];
    if (sql === undefined) {
      throw invalid(`${name}: there is no SQL named ${include}; known are ${Object.keys(includes).join(", ")}`);
    }
    return sql;
  });
}

function invalid(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "STORE_MIGRATION_INVALID", message });
}
