import { type ColumnarStore, type StreamFormat, sql } from "@drawbridge/columnar";
import { fileColumns } from "./request-columns.ts";
import { type Selection, selected, selectionParameters } from "./selection.ts";
import { requestsTable } from "./tables.ts";

const pieceBytes = 64 * 1024;

/** Single requests as a file, in no order: to sort them would take the memory that streaming saves. */
export async function* exportRequests(
  store: Pick<ColumnarStore, "stream">,
  { selection, format }: { readonly selection: Selection; readonly format: StreamFormat },
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const condition = selected(selection, requestsTable.keyOf);
  const source = store.stream(
    {
      // Times with their zone: 2026-01-01T00:00:00.000Z. Parquet has a type for them.
      sql: sql`SELECT ${fileColumns} FROM requests WHERE ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')} AND ${condition} SETTINGS date_time_output_format = 'iso', prefer_column_name_to_alias = 1`,
      parameters: { ...selectionParameters(selection), from: selection.range.from, to: selection.range.to },
      format,
    },
    signal,
  );
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
}
