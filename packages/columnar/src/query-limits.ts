import type { Settings } from "./statement.ts";

/** What one query may take; the engine ends it there. */
export interface QueryLimits {
  /** Default 10 s. */
  readonly maxExecutionMs: number;
  /** Default 512 MB. */
  readonly maxMemoryBytes: number;
  /** Of a query's answer, not of a stream; default 100 000. */
  readonly maxResultRows: number;
}

const defaults: QueryLimits = { maxExecutionMs: 10_000, maxMemoryBytes: 512 * 1024 * 1024, maxResultRows: 100_000 };

/** readonly 2: nothing is written, and a query may still choose settings such as max_threads for itself. */
export function queryLimits(limits: Partial<QueryLimits>): Settings {
  const { maxExecutionMs, maxMemoryBytes, maxResultRows } = { ...defaults, ...limits };
  return {
    max_execution_time: maxExecutionMs / 1000,
    timeout_overflow_mode: "throw",
    max_memory_usage: maxMemoryBytes,
    // The engine otherwise wants 1 GiB free for each thread (its default), and reads with one where it may use less.
    max_threads_min_free_memory_per_thread: 0,
    max_result_rows: maxResultRows,
    result_overflow_mode: "throw",
    output_format_json_quote_64bit_integers: 1,
    readonly: 2,
  };
}

/** A stream is taken piece by piece, so its rows are not counted; it may take as long as its reader. */
export const streamLimits: Partial<QueryLimits> = { maxExecutionMs: 15 * 60_000, maxResultRows: 0 };
