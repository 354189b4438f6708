import { type ColumnarStore, sql } from "@drawbridge/columnar";
import { questionLimits } from "./query-limits.ts";
import { textOf, wholeOf } from "./rows.ts";
import type { Selection } from "./selection.ts";

/** A fabric that told nothing for so long before the time is not taken for one of the environments. */
const lookBackMs = 30 * 86_400_000;

/**
 * Requests that gateways lost within the time. A gap is of a gateway and knows no environment: those of all fabrics that reported
 * requests of the environments count, so that the figure may be too large, never too small by what is known. Mostly there are no
 * gaps, and then nothing but their small table is read.
 */
export async function missingRequests(
  store: Pick<ColumnarStore, "query">,
  { environments, range }: Selection,
  signal: AbortSignal,
): Promise<bigint> {
  const gaps = await store.query(
    {
      sql: sql`SELECT fabric_id, sum(requests) AS missing FROM request_gaps FINAL
WHERE to_ts >= {from:DateTime64(3, 'UTC')} AND from_ts < {to:DateTime64(3, 'UTC')} GROUP BY fabric_id`,
      parameters: { from: range.from, to: range.to },
      limits: questionLimits,
    },
    signal,
  );
  if (gaps.length === 0) return 0n;
  const told = await store.query(
    {
      sql: sql`SELECT DISTINCT fabric_id FROM api_traffic_15m
WHERE environment IN {environments:Array(String)} AND fabric_id IN {fabrics:Array(String)}
AND bucket >= {since:DateTime64(3, 'UTC')} AND bucket < {to:DateTime64(3, 'UTC')}`,
      parameters: {
        environments,
        fabrics: gaps.map((row) => textOf(row, "fabric_id")),
        since: new Date(range.from.getTime() - lookBackMs),
        to: range.to,
      },
      limits: questionLimits,
    },
    signal,
  );
  const fabrics = new Set(told.map((row) => textOf(row, "fabric_id")));
  return gaps
    .filter((row) => fabrics.has(textOf(row, "fabric_id")))
    .reduce((sum, row) => sum + wholeOf(row, "missing"), 0n);
}
