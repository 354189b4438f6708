import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cryptoRandom, systemClock } from "@drawbridge/lifecycle";
import { createTestLogger, FakeClock, tempDir } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import { createStoreBackups, openConfiguredStore, runRestoreJob, sql, type ColumnarStore } from "../src/index.ts";
import { eventsTable, writeEvents } from "./support/events-table.ts";
import { testStore } from "./support/test-store.ts";

const hourMs = 3_600_000;
const never = new AbortController().signal;
const restored = (backup: string, dataDirectory: string) =>
  runRestoreJob({
    service: "analytics-ingest",
    args: [backup],
    env: { DRAWBRIDGE_DATA_DIR: dataDirectory, DRAWBRIDGE_RETENTION_DAYS: "90", DRAWBRIDGE_LOG_LEVEL: "silent" },
    settings: ["RETENTION_DAYS"],
  });

async function sumsOf(store: Pick<ColumnarStore, "query">): Promise<unknown> {
  const [row] = await store.query({
    sql: sql`SELECT (SELECT (count(), sum(n)) FROM events) AS raw, (SELECT (sum(requests), sum(total)) FROM events_by_api) AS rolled_up`,
    wideIntegers: "string",
  });
  return row;
}

/** A store of which a backup is the beginning. */
async function openRestored(dataDirectory: string): Promise<ColumnarStore> {
  const deps = { logger: createTestLogger().logger, clock: systemClock, random: cryptoRandom };
  const store = openConfiguredStore({ DATA_DIR: dataDirectory }, deps);
  onTestFinished(() => store.stop(AbortSignal.timeout(10_000)));
  await store.start(AbortSignal.timeout(240_000));
  return store;
}

test("a backup that was made while files were inserted is restored into an empty folder with the same sums, whole (META 3)", async () => {
  const { store, spool, log } = await testStore(eventsTable);
  await using folder = await tempDir();
  const settings = { BACKUP_DIR: join(folder.path, "backups"), BACKUP_INTERVAL_HOURS: 24, BACKUPS_KEPT: 7 };
  const backups = createStoreBackups({ store, settings, clock: systemClock, logger: log.logger });
  const pairs: number[] = [];
  const insertPair = async (): Promise<void> => {
    const names = [`${pairs.length}a`, `${pairs.length}b`];
    const paths = await Promise.all(names.map((name) => writeEvents(spool, name, { rows: 1_000 })));
    await store.insertFiles(paths.map((path, index) => ({ table: "events", path, token: names[index] ?? "" })));
    pairs.push(2_000);
  };
  await insertPair();
  await backups.start(never);
  const finished = async (): Promise<string | undefined> =>
    (await readdir(settings.BACKUP_DIR).catch(() => [])).find((name) => name.endsWith("Z"));
  let name: string | undefined;
  while ((name = await finished()) === undefined) await insertPair();
  await backups.stop(never);
  await insertPair();

  const dataDirectory = join(folder.path, "data");
  expect(await restored(join(settings.BACKUP_DIR, name), dataDirectory)).toBe(0);

  const again = await openRestored(dataDirectory);
  expect(await again.migrate(eventsTable)).toEqual([]);
  const { raw, rolled_up: rolledUp } = (await sumsOf(again)) as Record<string, readonly string[]>; // as it was asked
  expect(rolledUp).toEqual(raw);
  const rows = Number(raw?.[0]);
  expect(rows).toBeGreaterThanOrEqual(2_000);
  expect(rows % 2_000).toBe(0);
  expect(rows).toBeLessThan(pairs.length * 2_000);
  await again.insertFile({ table: "events", path: await writeEvents(spool, "later", { rows: 10 }), token: "later" });
  expect((await sumsOf(again)) as Record<string, readonly string[]>).toMatchObject({
    raw: [String(rows + 10), expect.anything()],
  });
  expect(await restored(join(settings.BACKUP_DIR, name), dataDirectory), "into a folder that is in use").toBe(1);
  expect(await restored(join(settings.BACKUP_DIR, "none"), join(folder.path, "empty"))).toBe(1);
  expect(await readdir(join(folder.path, "empty"))).toEqual([]);
});

test("backups are made when the newest is old enough, the newest few stay, and what was cut off goes", async () => {
  const { store, log } = await testStore(eventsTable);
  await using folder = await tempDir();
  const directory = join(folder.path, "backups");
  await mkdir(join(directory, "2026-01-01T00-00-00Z.unfinished"), { recursive: true });
  await writeFile(join(directory, "not ours"), "");
  const clock = new FakeClock(new Date("2026-01-01T04:00:00Z"));
  const settings = { BACKUP_DIR: directory, BACKUP_INTERVAL_HOURS: 24, BACKUPS_KEPT: 2 };
  const backups = createStoreBackups({ store, settings, clock, logger: log.logger });
  onTestFinished(() => backups.stop(never));
  await backups.start(never);
  for (const hours of [12, 12, 24]) {
    await clock.waitForSleep();
    clock.advance(hours * hourMs);
  }
  await clock.waitForSleep();
  expect((await readdir(directory)).toSorted()).toEqual(["2026-01-02T04-00-00Z", "2026-01-03T04-00-00Z", "not ours"]);
  expect(backups.health()).toBeUndefined();
});

test("a backup that cannot be made is told of, and made when it can", async () => {
  const { store, log } = await testStore(eventsTable);
  await using folder = await tempDir();
  const clock = new FakeClock(new Date("2026-01-01T04:00:00Z"));
  const directory = join(folder.path, "file", "backups");
  await writeFile(join(folder.path, "file"), "");
  const settings = { BACKUP_DIR: directory, BACKUP_INTERVAL_HOURS: 1, BACKUPS_KEPT: 2 };
  const backups = createStoreBackups({ store, settings, clock, logger: log.logger });
  onTestFinished(() => backups.stop(never));
  await backups.start(never);
  await clock.waitForSleep();
  expect(backups.health()).toContain("no backup can be made");
  await rm(join(folder.path, "file"));
  clock.advance(60_000);
  await clock.waitForSleep();
  expect([backups.health(), await readdir(directory)]).toEqual([undefined, ["2026-01-01T04-01-00Z"]]);
});
