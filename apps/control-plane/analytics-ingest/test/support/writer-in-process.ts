import { join } from "node:path";
import { connectBus, createQueueConsumer, openQueueDeadLetters, openWorkQueue, type QueueEntry } from "@drawbridge/bus";
import {
  openColumnarStore,
  readColumnarMigrations,
  type ColumnarMigration,
  type ColumnarStore,
  type Row,
  type Sql,
} from "@drawbridge/columnar";
import { cryptoRandom, systemClock, uuidV7Ids, type HealthCheck } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";
import { createTestLogger, startTestNats, tempDir } from "@drawbridge/testkit";
import { onTestFinished } from "vitest";
import { createDeadLetters, type DeadLetters } from "../../src/dead-letters/dead-letters.ts";
import { createBatchWriter } from "../../src/write/batch-writer.ts";

export interface WriterInProcess {
  readonly store: ColumnarStore;
  readonly deadLetters: DeadLetters;
  readonly health: HealthCheck;
  readonly publish: (entries: readonly QueueEntry[]) => Promise<void>;
  /** Resolves when everybody has been acknowledged. */
  readonly emptied: () => Promise<void>;
  /** A migration behind the others, while the writer works. */
  readonly repair: (migration: ColumnarMigration) => Promise<void>;
  readonly rows: (sql: Sql) => Promise<readonly Row[]>;
}

export interface WriterInProcessOptions {
  readonly placeFile?: string;
  /** Behind those of the service. */
  readonly migrations?: readonly ColumnarMigration[];
}

/** A queue, a store and the writer between them, all real, for one test. */
export async function writerInProcess(options: WriterInProcessOptions = {}): Promise<WriterInProcess> {
  const nats = await startTestNats();
  onTestFinished(() => nats[Symbol.asyncDispose]());
  const folder = await tempDir();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const log = createTestLogger();
  const common = { logger: log.logger, clock: systemClock, random: cryptoRandom };
  const bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", ...common });
  const store = openColumnarStore({ engine: { kind: "embedded", directory: join(folder.path, "store") }, ...common });
  const queue = openWorkQueue(bus, "ANALYTICS");
  const deadLetters = createDeadLetters({ queue, letters: openQueueDeadLetters(bus, "ANALYTICS") });
  const writer = createBatchWriter({
    ...common,
    ids: uuidV7Ids,
    metrics: noMetrics,
    store,
    deadLetters,
    dataDirectory: folder.path,
    placeFile: options.placeFile,
    retentionDays: 90,
    consume: (handle) =>
      createQueueConsumer({ bus, queue: "ANALYTICS", durable: "analytics-ingest", handle, ...common }),
  });
  for (const component of [bus, store]) {
    await component.start(AbortSignal.timeout(240_000));
    onTestFinished(() => component.stop(AbortSignal.timeout(10_000)));
  }
  const migrations = [...(await readColumnarMigrations(join(import.meta.dirname, "../../migrations")))];
  migrations.push(...(options.migrations ?? []));
  await store.migrate(migrations);
  await writer.start(AbortSignal.timeout(240_000));
  onTestFinished(() => writer.stop(AbortSignal.timeout(10_000)));
  return {
    store,
    deadLetters,
    health: writer.health,
    publish: async (entries) => {
      for (const entry of entries) await queue.publish(entry);
    },
    emptied: async () => {
      while ((await queue.usage()).messages > 0) await systemClock.sleep(50);
    },
    repair: async (migration) => {
      await store.migrate([...migrations, migration]);
    },
    rows: (statement) => store.query({ sql: statement, wideIntegers: "string" }),
  };
}

const noMetrics: Metrics = {
  counter: () => ({ add: () => undefined }),
  histogram: () => ({ record: () => undefined }),
  gauge: () => undefined,
};
