import { sql, type ColumnarStore } from "@drawbridge/columnar";
import type { RememberedBatches } from "../domain/remembered-batches.ts";
import type { CounterBook } from "./counter-book.ts";

const dayMs = 86_400_000;
/** Rows may be as old as this when they come. */
const oldestRowMs = 8 * dayMs;

/**
 * What is known of the messages and counters of before, from the rows themselves: it can never say other than the store.
 * All files of the spool must be in the store first.
 */
export async function loadState(
  store: Pick<ColumnarStore, "query">,
  known: { readonly remembered: RememberedBatches; readonly book: CounterBook },
  now: Date,
): Promise<void> {
  const since = new Date(now.getTime() - dayMs);
  const oldest = new Date(now.getTime() - oldestRowMs);
  const batches = await store.query({
    sql: sql`SELECT fabric_id, toFloat64(batch) AS batch, max(received_ts) AS at FROM (
        SELECT fabric_id, batch, received_ts, ts FROM app_metrics
        UNION ALL SELECT fabric_id, batch, received_ts, ts FROM app_own_metrics
      )
      WHERE ts >= {oldest:DateTime64(3)} AND received_ts >= {since:DateTime64(3)}
      GROUP BY fabric_id, batch ORDER BY at DESC LIMIT 1024 BY fabric_id`,
    parameters: { oldest, since },
    limits,
  });
  for (const { fabric_id: fabricId, batch } of batches.toReversed())
    known.remembered.add(String(fabricId), Number(batch));

  const baselines = await store.query({
    sql: sql`SELECT fabric_id, series, toUnixTimestamp64Milli(max(ts)) AS time_ms,
        toUnixTimestamp64Milli(argMax(start_ts, ts)) AS start_ms, argMax(value, ts) AS value, argMax(samples, ts) AS samples
      FROM counter_baseline WHERE ts >= {since:DateTime64(3)} GROUP BY fabric_id, series ORDER BY time_ms`,
    parameters: { since },
    limits,
  });
  for (const row of baselines) {
    known.book.load(String(row["fabric_id"]), String(row["series"]), {
      startMs: Number(row["start_ms"]),
      timeMs: Number(row["time_ms"]),
      value: Number(row["value"]),
      count: Number(row["samples"]),
    });
  }
}

/** Once, at the start, of a thousand fabrics with a thousand messages each. */
const limits = { maxExecutionMs: 120_000, maxMemoryBytes: 1_000_000_000, maxResultRows: 5_000_000 };
