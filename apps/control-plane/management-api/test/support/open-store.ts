import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, type TestDatabase } from "@drawbridge/testkit";
import type { Database } from "../../src/store/database.ts";

/** The service's tables, for a test to look into or to tamper with. */
export async function openTestStore(
  database: TestDatabase,
  as: "service" | "superuser" = "service",
): Promise<Store<Database> & AsyncDisposable> {
  const { logger } = createTestLogger();
  const url = as === "service" ? database.url : database.adminUrl;
  const store = openStore<Database>({ url, schema: "management_api", logger });
  await store.start(new AbortController().signal);
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.stop(AbortSignal.timeout(5_000)) });
}
