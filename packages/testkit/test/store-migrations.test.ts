import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { openStore, runMigrations, sql } from "@drawbridge/store";
import { createTestLogger, startTestPostgres, tempDir, type TestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ledgerMigrations } from "./ledger-database.ts";

const run = promisify(execFile);
const { logger } = createTestLogger();
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterAll(async () => postgres[Symbol.asyncDispose]());

async function folderWith(files: Readonly<Record<string, string>>) {
  const folder = await tempDir();
  await cp(ledgerMigrations, folder.path, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  return folder;
}

async function tableNames(url: string): Promise<readonly string[]> {
  const store = openStore({ url, schema: "ledger", logger });
  const { rows } = await sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'ledger' ORDER BY 1
  `.execute(store.db);
  await store.stop(AbortSignal.timeout(5_000));
  return rows.map((row) => row.name);
}

test("applies every migration once when several processes start together", async () => {
  await using database = await postgres.createDatabase({ schema: "ledger" });
  // A migration that cannot run twice, and takes long enough for the others to arrive.
  await using folder = await folderWith({
    "0002_slow.sql": "SELECT pg_sleep(0.3); CREATE TABLE only_once (id int); INSERT INTO only_once VALUES (1);",
  });
  const program = join(import.meta.dirname, "migrate-process.ts");
  const outputs = await Promise.all(
    [1, 2, 3].map(async () => {
      const { stdout } = await run(process.execPath, [program, database.url, "ledger", folder.path]);
      return JSON.parse(stdout) as unknown;
    }),
  );
  expect(outputs.filter((applied) => Array.isArray(applied) && applied.length > 0)).toEqual([
    ["0001_create_ledger.sql", "0002_slow.sql"],
  ]);
});

test("refuses to run when an applied file was changed", async () => {
  await using database = await postgres.createDatabase({ schema: "ledger", migrations: ledgerMigrations });
  await using folder = await folderWith({ "0001_create_ledger.sql": "CREATE TABLE something_else (id int);" });
  await expect(
    runMigrations({ url: database.url, schema: "ledger", directory: folder.path, logger }),
  ).rejects.toMatchObject({ code: "STORE_MIGRATION_CHANGED", kind: "failed_precondition" });
});

test("leaves nothing of a migration that fails half way, and goes on from there when it is mended", async () => {
  await using database = await postgres.createDatabase({ schema: "ledger", migrations: ledgerMigrations });
  await using broken = await folderWith({ "0002_broken.sql": "CREATE TABLE half (id int); SELECT 1 / 0;" });
  await expect(
    runMigrations({ url: database.url, schema: "ledger", directory: broken.path, logger }),
  ).rejects.toMatchObject({ code: "STORE_FAILED" });
  expect(await tableNames(database.url)).not.toContain("half");
  await using mended = await folderWith({ "0002_broken.sql": "CREATE TABLE half (id int);" });
  expect(await runMigrations({ url: database.url, schema: "ledger", directory: mended.path, logger })).toEqual([
    "0002_broken.sql",
  ]);
  expect(await tableNames(database.url)).toContain("half");
});

test("lets an older image run beside a newer schema", async () => {
  await using database = await postgres.createDatabase({ schema: "ledger" });
  await using newer = await folderWith({ "0002_add_note.sql": "ALTER TABLE ledger ADD COLUMN note text;" });
  await runMigrations({ url: database.url, schema: "ledger", directory: newer.path, logger });
  expect(await runMigrations({ url: database.url, schema: "ledger", directory: ledgerMigrations, logger })).toEqual([]);
});
