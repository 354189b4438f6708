export {
  openColumnarStore,
  type ColumnarQuery,
  type ColumnarStore,
  type OpenColumnarStoreOptions,
} from "./open-columnar-store.ts";
export { runRestoreJob } from "./backups/restore-job.ts";
export { createStoreBackups } from "./backups/store-backups.ts";
export { createStoreMigration, openConfiguredStore } from "./open-configured-store.ts";
export { type ClusterEngineOptions } from "./cluster/cluster-engine.ts";
export { type InsertFile, type StreamFormat } from "./columnar-engine.ts";
export { type ColumnarLogger } from "./columnar-logger.ts";
export { type EmbeddedEngineOptions } from "./embedded/embedded-engine.ts";
export { type QueryParameter, type QueryParameters } from "./literals.ts";
export { type ColumnarMigration } from "./migrations/plan-migrations.ts";
export { readColumnarMigrations } from "./migrations/read-migrations.ts";
export { chosenRowsColumn } from "./native/chosen-rows-column.ts";
export { createNativeBlockWriter, type NativeBlockWriter, type NativeColumns } from "./native/native-block-writer.ts";
export { type NativeColumn } from "./native/native-column.ts";
export {
  boolColumn,
  dateTime64Column,
  dateTimeColumn,
  float32Column,
  float64Column,
  int64Column,
  uint16Column,
  uint32Column,
  uint64Column,
  uint8Column,
} from "./native/numeric-columns.ts";
export { ipv6Column, lowCardinalityColumn, stringColumn } from "./native/text-columns.ts";
export { type QueryLimits } from "./query-limits.ts";
export { type Row, type WideIntegers } from "./rows.ts";
export { allOf, identifiers, listOf, sql, type Sql } from "./sql.ts";
export { type TableStats } from "./table-stats.ts";
