import { access } from "node:fs/promises";
import { isAbsolute, relative, resolve } from "node:path";
import { invalid, refused } from "../columnar-errors.ts";
import { quoteIdentifier, quoteString } from "../literals.ts";
import { rowsFromJsonCompact } from "../rows.ts";
import { embeddedDatabase, type EmbeddedEngine } from "./embedded-engine.ts";

const database = quoteIdentifier(embeddedDatabase);

/**
 * A copy of all tables as they are now, with their schema and the record of migrations, while inserts and queries go on.
 * @throws DrawbridgeError `COLUMNAR_BACKUP_PATH_INVALID` | `COLUMNAR_BACKUP_EXISTS`
 */
export async function backUp(engine: EmbeddedEngine, path: string, storeDirectory: string): Promise<void> {
  assertOutside(path, storeDirectory);
  if (await exists(path))
    throw refused("COLUMNAR_BACKUP_EXISTS", `${path} exists already: a backup never replaces anything`);
  await engine.command({
    text: `BACKUP DATABASE ${database} TO File(${quoteString(path)})`,
    parameters: {},
    settings: {},
  });
}

/**
 * All tables of a backup into a store that has none. The tokens of inserts are not in a backup: a file that was inserted
 * before it is inserted again, if it is given again.
 * @throws DrawbridgeError `COLUMNAR_BACKUP_PATH_INVALID` | `COLUMNAR_RESTORE_NOT_EMPTY`
 */
export async function restore(engine: EmbeddedEngine, path: string, storeDirectory: string): Promise<void> {
  assertOutside(path, storeDirectory);
  if (!(await exists(path))) throw invalid("COLUMNAR_BACKUP_PATH_INVALID", `there is no backup at ${path}`);
  const tables = await tablesOf(engine);
  if (tables.length > 0) {
    throw refused(
      "COLUMNAR_RESTORE_NOT_EMPTY",
      `the store holds tables already (${tables.slice(0, 5).join(", ")}): restore into an empty directory`,
    );
  }
  await engine.command({
    text: `RESTORE DATABASE ${database} FROM File(${quoteString(path)})`,
    parameters: {},
    settings: {},
  });
}

async function tablesOf(engine: EmbeddedEngine): Promise<readonly string[]> {
  const text = "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY name";
  const rows = rowsFromJsonCompact(await engine.query({ text, parameters: {}, settings: {} }), "string");
  return rows.map(({ name }) => String(name));
}

function assertOutside(path: string, storeDirectory: string): void {
  const within = relative(resolve(storeDirectory), path);
  if (isAbsolute(path) && resolve(path) === path && (within.startsWith("..") || isAbsolute(within))) return;
  throw invalid(
    "COLUMNAR_BACKUP_PATH_INVALID",
    `${path}: a backup stands at an absolute path outside of the store's directory`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
