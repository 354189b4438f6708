import { sql, type Sql } from "@drawbridge/columnar";
import { partOfSum } from "./names.ts";

/**
 * What is added up of requests, each as many times as it stands for. A table that has a sum gives it as an expression of which
 * parts can be put together: numbers, and states of aggregate functions for `latency` and `clients`.
 */
export type Sum =
  | "requests"
  | "client_errors"
  | "server_errors"
  | "violations"
  | "latency_us"
  | "latency_max_us"
  | "latency"
  | "upstream_us"
  | "request_bytes"
  | "response_bytes"
  | "clients";

export type Measure =
  | "requests"
  | "client_errors"
  | "server_errors"
  | "error_rate"
  | "violations"
  | "latency_mean_ms"
  | "latency_p50_ms"
  | "latency_p90_ms"
  | "latency_p95_ms"
  | "latency_p99_ms"
  | "latency_max_ms"
  | "upstream_mean_ms"
  | "gateway_mean_ms"
  | "request_bytes"
  | "response_bytes"
  | "unique_clients";

/** What stands for a sum that another part of the answer has: it adds nothing. */
export function nothingOf(sum: Sum): Sql {
  if (sum === "clients") throw new RangeError("addresses are counted from single requests, which have every sum");
  return sum === "latency" ? latencyState(sql`0`, sql`0`) : sql`toUInt64(0)`;
}

/** Parts of a sum put together to one, of which others can be made again. */
export function mergedParts(sum: Sum): Sql {
  const part = partOfSum(sum);
  if (sum === "latency") return sql`quantilesExactWeightedMergeState(0.5, 0.9, 0.95, 0.99)(${part})`;
  if (sum === "clients") return sql`uniqIfMergeState(${part})`;
  return sum === "latency_max_us" ? sql`max(${part})` : sql`sum(${part})`;
}

interface MeasureRule {
  readonly needs: readonly Sum[];
  /** Over parts whose columns are `part_<sum>`. Means, shares and percentiles of nothing are no number. */
  readonly value: Sql;
}

/** The mean of the app and that of the gateway make up the mean of the whole: what no app was asked for counts as none. */
export const measures: Readonly<Record<Measure, MeasureRule>> = {
  requests: { needs: ["requests"], value: sql`sum(part_requests)` },
  client_errors: { needs: ["client_errors"], value: sql`sum(part_client_errors)` },
  server_errors: { needs: ["server_errors"], value: sql`sum(part_server_errors)` },
  error_rate: { needs: ["server_errors", "requests"], value: sql`sum(part_server_errors) / sum(part_requests)` },
  violations: { needs: ["violations"], value: sql`sum(part_violations)` },
  latency_mean_ms: {
    needs: ["latency_us", "requests"],
    value: sql`sum(part_latency_us) / sum(part_requests) / 1000`,
  },
  latency_p50_ms: { needs: ["latency"], value: percentile(sql`1`) },
  latency_p90_ms: { needs: ["latency"], value: percentile(sql`2`) },
  latency_p95_ms: { needs: ["latency"], value: percentile(sql`3`) },
  latency_p99_ms: { needs: ["latency"], value: percentile(sql`4`) },
  latency_max_ms: {
    needs: ["latency_max_us", "requests"],
    value: sql`if(sum(part_requests) = 0, nan, max(part_latency_max_us) / 1000)`,
  },
  upstream_mean_ms: {
    needs: ["upstream_us", "requests"],
    value: sql`sum(part_upstream_us) / sum(part_requests) / 1000`,
  },
  gateway_mean_ms: {
    needs: ["latency_us", "upstream_us", "requests"],
    value: sql`(toFloat64(sum(part_latency_us)) - sum(part_upstream_us)) / sum(part_requests) / 1000`,
  },
  request_bytes: { needs: ["request_bytes"], value: sql`sum(part_request_bytes)` },
  response_bytes: { needs: ["response_bytes"], value: sql`sum(part_response_bytes)` },
  unique_clients: { needs: ["clients"], value: sql`uniqIfMerge(part_clients)` },
};

/**
 * What percentiles are found in: how often each latency was, in the steps of src/write/roll-ups/row-keys.ts, so that single requests
 * and roll-ups say the same. A step stands for its middle, from which its latencies differ by 1.6 % at most.
 */
export function latencyState(step: Sql, requests: Sql): Sql {
  const middleUs = sql`reinterpretAsFloat32(toUInt32(bitShiftLeft(toUInt32(${step}), 18) + 131072))`;
  return sql`quantilesExactWeightedState(0.5, 0.9, 0.95, 0.99)(${middleUs}, toUInt64(${requests}))`;
}

/** The engine says 0 of nothing; the smallest step's middle, which no time between 0 and 1 us has, is above. */
function percentile(position: Sql): Sql {
  const us = sql`quantilesExactWeightedMerge(0.5, 0.9, 0.95, 0.99)(part_latency)[${position}]`;
  return sql`multiIf(${us} = 0, nan, ${us} < 1, 0, ${us} / 1000)`;
}
