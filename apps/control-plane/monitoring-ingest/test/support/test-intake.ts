import { join } from "node:path";
import { openColumnarStore, readColumnarMigrations, type ColumnarStore } from "@drawbridge/columnar";
import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createTestLogger, tempDir } from "@drawbridge/testkit";
import { onTestFinished } from "vitest";
import type { AppReading } from "../../src/domain/app-reading.ts";
import { createRememberedBatches } from "../../src/domain/remembered-batches.ts";
import { createBatchCommitter, type BatchCommitter } from "../../src/metrics-store/batch-committer.ts";
import { createCounterBook } from "../../src/metrics-store/counter-book.ts";
import { loadState } from "../../src/metrics-store/load-state.ts";
import { createSpool } from "../../src/metrics-store/spool.ts";

/** Committer over a spool over an embedded store, all real, without listeners. */
export interface TestIntake {
  readonly committer: BatchCommitter;
  /** Everything anew over the same folder, as after a crash. */
  again(): Promise<TestIntake>;
}

const never = new AbortController().signal;
const migrations = join(import.meta.dirname, "../../migrations-columnar");

export async function testStore(): Promise<{ readonly store: ColumnarStore; readonly directory: string }> {
  const folder = await tempDir();
  const directory = folder.path;
  const store = openColumnarStore({
    engine: { kind: "embedded", directory: join(directory, "store") },
    logger: createTestLogger().logger,
  });
  await store.start(never);
  await store.migrate(await readColumnarMigrations(migrations));
  onTestFinished(async () => {
    await store.stop(AbortSignal.timeout(10_000));
    await folder[Symbol.asyncDispose]();
  });
  return { store, directory };
}

export async function testIntake(
  { store, directory }: { readonly store: Pick<ColumnarStore, "query" | "insertFiles">; readonly directory: string },
  options: { readonly maxCountersPerFabric?: number } = {},
): Promise<TestIntake> {
  const book = createCounterBook({ maxCountersPerFabric: options.maxCountersPerFabric ?? 1_000 });
  const remembered = createRememberedBatches();
  const committer = createBatchCommitter({
    spool: createSpool(join(directory, "spool"), store),
    book,
    remembered,
    flushIntervalMs: 5,
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
    logger: createTestLogger().logger,
    metrics: {
      counter: () => ({ add: () => undefined }),
      histogram: () => ({ record: () => undefined }),
      gauge: () => undefined,
    },
  });
  await committer.start(never);
  await loadState(store, { remembered, book }, new Date());
  onTestFinished(() => committer.stop(never));
  return { committer, again: () => testIntake({ store, directory }, options) };
}

export const fabricId = "0198c0de-0000-7000-8000-000000000001";

/** Requests of one replica as a delta, or a cumulative counter. */
export function requests(told: {
  readonly at: Date;
  readonly count: number;
  readonly replica?: string;
  readonly intervalMs?: number;
  readonly cumulativeSince?: Date;
}): AppReading {
  const { at, count, replica = "r1", intervalMs = 15_000, cumulativeSince } = told;
  return {
    environment: "production",
    app: "orders",
    replica,
    timeMs: at.getTime(),
    figure: "requests",
    rank: 0,
    series: cumulativeSince === undefined ? "" : replica,
    temporality: cumulativeSince === undefined ? "delta" : "cumulative",
    startMs: (cumulativeSince ?? new Date(at.getTime() - intervalMs)).getTime(),
    value: count * 100,
    count,
    isError: false,
  };
}
