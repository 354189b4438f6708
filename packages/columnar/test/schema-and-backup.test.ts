import { join } from "node:path";
import { expect, test } from "vitest";
import { sql, type ColumnarStore } from "../src/index.ts";
import { eventsTable, writeEvents } from "./support/events-table.ts";
import { migration, testStore } from "./support/test-store.ts";

const create = migration("0001_t", "CREATE TABLE IF NOT EXISTS t (x Int8) ENGINE = ${engine:MergeTree} ORDER BY x");
const alter = migration("0002_t_y", "ALTER TABLE t ADD COLUMN IF NOT EXISTS y Int8");

async function columnsOf(store: ColumnarStore): Promise<readonly unknown[]> {
  const rows = await store.query({
    sql: sql`SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 't' ORDER BY position`,
  });
  return rows.map(({ name }) => name);
}

test("migrations are applied in order, once, by however many at the same time", async () => {
  const { store } = await testStore();
  expect(await store.migrate([create])).toEqual(["0001_t"]);
  await Promise.all([store.migrate([create, alter]), store.migrate([create, alter]), store.migrate([create, alter])]);
  expect(await columnsOf(store)).toEqual(["x", "y"]);
  expect(await store.migrate([create, alter])).toEqual([]);
});

test("a changed migration and one of a newer program are refused, and nothing is applied", async () => {
  const { store } = await testStore([create]);
  const changed = {
    ...create,
    statements: create.statements.map((text) => `${text} SETTINGS index_granularity = 1024`),
  };
  await expect(store.migrate([changed, alter])).rejects.toMatchObject({ code: "COLUMNAR_MIGRATION_CHANGED" });
  expect(await columnsOf(store)).toEqual(["x"]);
  await store.migrate([create, alter]);
  await expect(store.migrate([create])).rejects.toMatchObject({ code: "COLUMNAR_MIGRATION_UNKNOWN" });
});

test("a migration that was cut off is run again from its beginning", async () => {
  const { store } = await testStore();
  const two = migration("0001_t", ...create.statements, "ALTER TABLE gone ADD COLUMN IF NOT EXISTS y Int8");
  await expect(store.migrate([two])).rejects.toMatchObject({ code: "COLUMNAR_FAILED" });
  expect(await columnsOf(store)).toEqual(["x"]);
  expect(await store.migrate([create])).toEqual(["0001_t"]);
});

test("stats count rows, bytes and parts by table, and a dropped partition is gone from them", async () => {
  const { store, spool } = await testStore(eventsTable);
  await store.insertFile({ table: "events", path: await writeEvents(spool, "1", { rows: 100 }), token: "1" });
  const [events, rollup, migrations] = await store.stats();
  expect(events).toMatchObject({ table: "events", rows: 100n, parts: 2n });
  expect(rollup).toMatchObject({ table: "events_by_api", rows: 7n });
  expect(migrations).toMatchObject({ table: "schema_migration", rows: 1n });
  expect(events?.diskBytes).toBeGreaterThan(0n);
  await store.dropPartition({ table: "events", partitionId: "20251231" });
  expect((await store.stats())[0]).toMatchObject({ rows: 50n, parts: 1n });
  await expect(store.dropPartition({ table: "events", partitionId: "x' --" })).rejects.toMatchObject({
    code: "COLUMNAR_PARAMETER_INVALID",
  });
});

test("rows are kept for so many days, and the rule is written only when it is another", async () => {
  const { store, spool } = await testStore(eventsTable);
  const rule = { table: "events", column: "ts" };
  const written = sql`SELECT metadata_version AS version, extract(engine_full, 'toIntervalDay\\\\((\\\\d+)') AS days
    FROM system.tables WHERE database = currentDatabase() AND name = 'events'`;
  await store.setRetention({ ...rule, days: 20_000 });
  const [first] = await store.query({ sql: written });
  expect(first).toMatchObject({ days: "20000" });
  await store.setRetention({ ...rule, days: 20_000 });
  expect(await store.query({ sql: written })).toEqual([first]);
  // All of its rows are older than a day: a part that is past its time arrives empty, or goes with the next merge.
  await store.setRetention({ ...rule, days: 1 });
  await store.insertFile({ table: "events", path: await writeEvents(spool, "1", { rows: 100 }), token: "1" });
  await expect.poll(() => store.query({ sql: sql`SELECT count() AS n FROM events` })).toEqual([{ n: 0n }]);
  await expect(store.setRetention({ ...rule, days: 0 })).rejects.toMatchObject({ code: "COLUMNAR_PARAMETER_INVALID" });
});

test("a backup brings back rows, views and the record of migrations into an empty store, and nowhere else", async () => {
  const { store, spool } = await testStore(eventsTable);
  await store.insertFile({ table: "events", path: await writeEvents(spool, "1", { rows: 5_000 }), token: "1" });
  const backup = join(spool, "backup");
  await store.backup(backup);
  await store.insertFile({ table: "events", path: await writeEvents(spool, "2", { rows: 10 }), token: "2" });
  await expect(store.backup(backup)).rejects.toMatchObject({ code: "COLUMNAR_BACKUP_EXISTS" });
  await expect(store.restore(backup)).rejects.toMatchObject({ code: "COLUMNAR_RESTORE_NOT_EMPTY" });

  const empty = await testStore();
  await expect(empty.store.restore(join(spool, "none"))).rejects.toMatchObject({
    code: "COLUMNAR_BACKUP_PATH_INVALID",
  });
  await empty.store.restore(backup);
  expect(await empty.store.migrate(eventsTable)).toEqual([]);
  const sums = sql`SELECT (SELECT (count(), sum(n)) FROM events) AS raw, (SELECT (sum(requests), sum(total)) FROM events_by_api) AS rolled_up`;
  expect(await empty.store.query({ sql: sums, wideIntegers: "string" })).toEqual([
    { raw: ["5000", "12497500"], rolled_up: ["5000", "12497500"] },
  ]);
  // The view goes on behind the table.
  await empty.store.insertFile({ table: "events", path: join(spool, "2.native"), token: "2" });
  expect(await empty.store.query({ sql: sums, wideIntegers: "string" })).toEqual([
    { raw: ["5010", "12497545"], rolled_up: ["5010", "12497545"] },
  ]);
});

test("a backup that is not at an absolute path outside of the store is refused", async () => {
  const { store, directory } = await testStore();
  for (const bad of ["relative", "/tmp/../etc", directory, join(directory, "backup")]) {
    await expect(store.backup(bad), bad).rejects.toMatchObject({ code: "COLUMNAR_BACKUP_PATH_INVALID" });
  }
});
