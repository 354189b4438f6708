import { join } from "node:path";
import type { Clock, Component, Random } from "@drawbridge/lifecycle";
import type { ColumnarLogger } from "./columnar-logger.ts";
import { readColumnarMigrations } from "./migrations/read-migrations.ts";
import { openColumnarStore, type ColumnarStore } from "./open-columnar-store.ts";

/** As a service's settings say it: `columnarStoreFields` of packages/config. */
export interface ColumnarStoreSettings {
  readonly DATA_DIR: string;
  readonly CLICKHOUSE_URL?: string | undefined;
  readonly CLICKHOUSE_DATABASE?: string | undefined;
  readonly CLICKHOUSE_CREDENTIALS_FILE?: string | undefined;
  readonly CLICKHOUSE_CLUSTER?: string | undefined;
}

/** The store that the settings name: a ClickHouse, or the one inside the service, in `DATA_DIR/store`. */
export function openConfiguredStore(
  settings: ColumnarStoreSettings,
  deps: { readonly logger: ColumnarLogger; readonly clock: Clock; readonly random: Random },
): ColumnarStore {
  const { CLICKHOUSE_URL: url, CLICKHOUSE_DATABASE: database, CLICKHOUSE_CREDENTIALS_FILE: credentialsFile } = settings;
  if (url === undefined || database === undefined || credentialsFile === undefined) {
    return openColumnarStore({ engine: { kind: "embedded", directory: join(settings.DATA_DIR, "store") }, ...deps });
  }
  const cluster = settings.CLICKHOUSE_CLUSTER === undefined ? {} : { cluster: settings.CLICKHOUSE_CLUSTER };
  return openColumnarStore({ engine: { kind: "cluster", url, database, credentialsFile, ...cluster }, ...deps });
}

/**
 * Brings the store's schema up to date before anything uses it. Unlike PostgreSQL's it is done at the start: nobody else can
 * open the embedded store, and of several services at one cluster each repeats statements that change nothing.
 */
export function createStoreMigration(store: Pick<ColumnarStore, "migrate">, directory: string): Component {
  return {
    name: "columnar migrations",
    start: async () => {
      await store.migrate(await readColumnarMigrations(directory));
    },
    stop: () => Promise.resolve(),
  };
}
