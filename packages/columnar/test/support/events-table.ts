import { join } from "node:path";
import {
  createNativeBlockWriter,
  dateTime64Column,
  lowCardinalityColumn,
  stringColumn,
  uint32Column,
  type ColumnarMigration,
} from "../../src/index.ts";

/** Events by day with a sum of them behind it, as the services' tables are made. */
export const eventsTable: readonly ColumnarMigration[] = [
  {
    name: "0001_create_events",
    statements: [
      `CREATE TABLE IF NOT EXISTS \${local:events} \${on_cluster} (
        ts DateTime64(3, 'UTC'), n UInt32, api LowCardinality(String), note String
      ) ENGINE = \${engine:MergeTree} PARTITION BY toYYYYMMDD(ts) ORDER BY (api, ts)
      SETTINGS \${dedup_window:1000}, fsync_after_insert = 1, fsync_part_directory = 1`,
      `CREATE TABLE IF NOT EXISTS \${local:events_by_api} \${on_cluster} (
        api LowCardinality(String), requests SimpleAggregateFunction(sum, UInt64), total SimpleAggregateFunction(sum, UInt64)
      ) ENGINE = \${engine:AggregatingMergeTree} ORDER BY api
      SETTINGS \${dedup_window:1000}, fsync_after_insert = 1, fsync_part_directory = 1`,
      `CREATE MATERIALIZED VIEW IF NOT EXISTS \${local:events_to_api} \${on_cluster} TO \${local:events_by_api}
      AS SELECT api, count() AS requests, sum(n) AS total FROM \${local:events} GROUP BY api`,
      "${distributed:events:rand()}",
      "${distributed:events_by_api:rand()}",
    ],
  },
];

const dayMs = 86_400_000;
/** Five minutes before a midnight, so that every file lies in two partitions. */
const start = Date.UTC(2026, 0, 1) - 300_000;

/** A file of `rows` events whose `n` are `first`, `first` + 1, …; returns its path. */
export async function writeEvents(
  folder: string,
  name: string,
  { rows, first = 0, note = "" }: { readonly rows: number; readonly first?: number; readonly note?: string },
): Promise<string> {
  const writer = createNativeBlockWriter({
    // Not the order of the table: columns are matched by name.
    note: stringColumn(),
    api: lowCardinalityColumn(),
    n: uint32Column(),
    ts: dateTime64Column(),
  });
  for (let row = 0; row < rows; row += 1) {
    writer.columns.note.push(note);
    writer.columns.api.push(`api ${String(row % 7)}`);
    writer.columns.n.push(first + row);
    writer.columns.ts.push(start + (row % 2) * dayMs + row);
  }
  const path = join(folder, `${name}.native`);
  await writer.writeFile(path);
  return path;
}
