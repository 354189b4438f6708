import type { ColumnarEngine } from "./columnar-engine.ts";
import { rowsFromJsonCompact } from "./rows.ts";

export interface TableStats {
  readonly table: string;
  readonly rows: bigint;
  readonly diskBytes: bigint;
  /** Many parts mean that inserts are small, or that merges do not follow. */
  readonly parts: bigint;
}

/** What the tables of the store take, those with rows. */
export async function readTableStats(engine: ColumnarEngine): Promise<readonly TableStats[]> {
  const text = await engine.query({
    text:
      `SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS diskBytes, count() AS parts FROM ${engine.partsTable} ` +
      "WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table",
    parameters: {},
    settings: { output_format_json_quote_64bit_integers: 1 },
  });
  // The statement above has these columns; all but the name are UInt64.
  return rowsFromJsonCompact(text, "bigint") as unknown as readonly TableStats[];
}
