import { join } from "node:path";
import { openColumnarStore, readColumnarMigrations, type ColumnarStore } from "@drawbridge/columnar";
import type { TestStack } from "@drawbridge/local/testing";

/** As the service has it, and tokens of inserts and syncs as there; but no roll-ups are made of it. */
const copy =
  "CREATE TABLE IF NOT EXISTS direct_insert ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (environment, api, ts) " +
  "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1 AS SELECT * FROM requests";

interface StoreFigures {
  /** Of the parts in use. */
  readonly requestBytes: number;
  readonly rollUpBytes: number;
  /** Requests that the engine alone writes into a table like theirs in a second: what nothing before it can exceed. */
  readonly directInsertsPerSecond: number;
}

/** With the service stopped: its store belongs to one process. */
export async function readStoppedStore({ stack }: TestStack): Promise<StoreFigures> {
  await stack.service("analytics-ingest").stop();
  const store = openColumnarStore({
    engine: { kind: "embedded", directory: join(stack.layout.analytics, "store") },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  await store.start(AbortSignal.timeout(30_000));
  const stats = await store.stats();
  const sum = (tables: typeof stats, of: (table: (typeof stats)[number]) => bigint | number): number =>
    tables.reduce((total, table) => total + Number(of(table)), 0);
  const ofRequests = stats.filter(({ table }) => table === "requests");
  const others = stats.filter(({ table }) => table !== "requests");
  const insertMs = await copyRequests(store);
  await store.stop(AbortSignal.timeout(30_000));
  return {
    requestBytes: sum(ofRequests, ({ diskBytes }) => diskBytes),
    rollUpBytes: sum(others, ({ diskBytes }) => diskBytes),
    directInsertsPerSecond: (sum(ofRequests, ({ rows }) => rows) * 1_000) / insertMs,
  };
}

async function copyRequests(store: ColumnarStore): Promise<number> {
  const folder = join(import.meta.dirname, "../../../apps/control-plane/analytics-ingest/migrations");
  const migrations = await readColumnarMigrations(folder);
  const beganMs = performance.now();
  await store.migrate([...migrations, { name: "9999_direct_insert", statements: [copy] }]);
  return performance.now() - beganMs;
}
