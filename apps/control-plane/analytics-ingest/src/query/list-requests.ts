import { type ColumnarStore, type Row, sql } from "@drawbridge/columnar";
import { recordColumns } from "./request-columns.ts";
import { questionLimits } from "./query-limits.ts";
import { requestsTable } from "./tables.ts";
import { type Selection, selected, selectionParameters } from "./selection.ts";

export const mostRecords = 1_000;

/** Rows of single requests, newest first. */
export function listRequests(
  store: Pick<ColumnarStore, "query">,
  { selection, limit }: { readonly selection: Selection; readonly limit: number },
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const condition = selected(selection, requestsTable.keyOf);
  return store.query(
    {
      sql: sql`SELECT ${recordColumns} FROM requests WHERE ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')} AND ${condition} ORDER BY ts DESC LIMIT {limit:UInt32}`,
      parameters: { ...selectionParameters(selection), from: selection.range.from, to: selection.range.to, limit },
      limits: questionLimits,
    },
    signal,
  );
}
