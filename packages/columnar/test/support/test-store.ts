import { join } from "node:path";
import { createTestLogger, tempDir, type TestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { openColumnarStore, type ColumnarMigration, type ColumnarStore } from "../../src/index.ts";

export interface TestStore {
  readonly store: ColumnarStore;
  readonly directory: string;
  /** An existing folder for files to insert, and for backups. */
  readonly spool: string;
  readonly log: TestLogger;
  /** A second component on the same directory, not started. */
  readonly again: () => ColumnarStore;
}

export interface TestStoreOptions {
  readonly memoryLimitBytes?: number;
  readonly maxConcurrentQueries?: number;
  readonly maxWaitingQueries?: number;
}

/** A started embedded store in a folder of its own; stopped and removed when the test is over. */
export async function testStore(
  migrations: readonly ColumnarMigration[] = [],
  options: TestStoreOptions = {},
): Promise<TestStore> {
  const opened = await openTestStore(migrations, options);
  onTestFinished(opened.close);
  return opened;
}

/** One store for all tests of a file that leave nothing behind in it. */
export function storeOfThisFile(migrations: readonly ColumnarMigration[] = []): () => TestStore {
  let opened: Awaited<ReturnType<typeof openTestStore>> | undefined;
  beforeAll(async () => {
    opened = await openTestStore(migrations, {});
  });
  afterAll(() => opened?.close());
  return () => {
    if (opened === undefined) throw new Error("beforeAll has not run");
    return opened;
  };
}

async function openTestStore(
  migrations: readonly ColumnarMigration[],
  { memoryLimitBytes, ...options }: TestStoreOptions,
): Promise<TestStore & { readonly close: () => Promise<void> }> {
  const folder = await tempDir();
  const directory = join(folder.path, "store");
  const log = createTestLogger();
  const stores: ColumnarStore[] = [];
  const again = (): ColumnarStore => {
    const store = openColumnarStore({
      engine: { kind: "embedded", directory, ...(memoryLimitBytes === undefined ? {} : { memoryLimitBytes }) },
      logger: log.logger,
      ...options,
    });
    stores.push(store);
    return store;
  };
  const close = async (): Promise<void> => {
    for (const store of stores) await store.stop(AbortSignal.timeout(10_000));
    await folder[Symbol.asyncDispose]();
  };
  const store = again();
  await store.start(AbortSignal.timeout(240_000));
  if (migrations.length > 0) await store.migrate(migrations);
  return { store, directory, spool: folder.path, log, again, close };
}

export function migration(name: string, ...statements: readonly string[]): ColumnarMigration {
  return { name, statements };
}
