import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { inboxMigrationSql } from "../inbox/inbox-sql.ts";
import { outboxMigrationSql } from "../outbox/outbox-sql.ts";
import { readMigrations } from "./read-migrations.ts";

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "drawbridge-migrations-"));
  onTestFinished(() => rm(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

test("reads SQL files in order of their numbers and leaves other files alone", async () => {
  const path = await folder({ "0002_b.sql": "B", "0001_a.sql": "A", "README.md": "words" });
  expect((await readMigrations(path)).map(({ name, sql }) => [name, sql])).toEqual([
    ["0001_a.sql", "A"],
    ["0002_b.sql", "B"],
  ]);
});

test("puts the store's own SQL where a file includes it", async () => {
  const path = await folder({
    "0001_a.sql": "-- drawbridge:include outbox.v1\n-- drawbridge:include inbox.v1 \nSELECT 1;",
  });
  const [migration] = await readMigrations(path);
  expect(migration?.sql).toBe(`${outboxMigrationSql}\n${inboxMigrationSql}\nSELECT 1;`);
});

test.each([
  [{ "1_a.sql": "" }, "name it like"],
  [{ "0001_Upper.sql": "" }, "name it like"],
  [{ "0001_a.sql": "", "0001_b.sql": "" }, "0001 is taken"],
  [{ "0001_a.sql": "-- drawbridge:include outbox.v9" }, "no SQL named outbox.v9"],
])("refuses %j", async (files, message) => {
  await expect(readMigrations(await folder(files))).rejects.toMatchObject({
    code: "STORE_MIGRATION_INVALID",
    message: expect.stringContaining(message) as string,
  });
});
