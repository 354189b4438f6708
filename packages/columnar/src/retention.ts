import type { ColumnarEngine } from "./columnar-engine.ts";
import { localTable, onCluster } from "./migrations/fill-ddl.ts";
import { rowsFromJsonCompact } from "./rows.ts";

/** A table's TTL. ClickHouse works it out anew for all parts when it is set, so it is set only when it is another. */
export async function setRetention(
  engine: ColumnarEngine,
  { table, column, days }: { readonly table: string; readonly column: string; readonly days: number },
): Promise<void> {
  const local = localTable(table, engine.dialect);
  const found = await engine.query({
    text: "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
    parameters: { table: local },
    settings: {},
  });
  // As ClickHouse writes the rule below.
  const present = `TTL toDateTime(${column}) + toIntervalDay(${String(days)})`;
  if (String(rowsFromJsonCompact(found, "string")[0]?.["engine_full"]).includes(present)) return;
  await engine.command({
    text: `ALTER TABLE ${local} ${onCluster(engine.dialect)} MODIFY TTL toDateTime(${column}) + INTERVAL ${String(days)} DAY DELETE`,
    parameters: {},
    settings: {},
  });
}
