import type { StoredRequest } from "./stored-requests.ts";

/** Figures over requests, worked out one by one. Percentiles as the range of values that their rank may stand for. */
export interface Figures {
  readonly requests: number;
  readonly client_errors: number;
  readonly server_errors: number;
  readonly error_rate: number;
  readonly violations: number;
  readonly latency_mean_ms: number;
  readonly latency_max_ms: number;
  readonly upstream_mean_ms: number;
  readonly gateway_mean_ms: number;
  readonly request_bytes: number;
  readonly response_bytes: number;
  readonly unique_clients: number;
  /** Of the latencies, each as often as it stands for others, ascending. */
  readonly latenciesMs: readonly number[];
}

export function figuresOf(rows: readonly StoredRequest[]): Figures {
  const sum = (value: (row: StoredRequest) => number): number =>
    rows.reduce((total, row) => total + value(row) * row.weight, 0);
  const requests = sum(() => 1);
  const server_errors = sum((row) => (Math.floor(row.status_code / 100) === 5 || row.disposition === 4 ? 1 : 0));
  const latency_us = sum((row) => row.latency_us);
  const upstream_us = sum((row) => row.upstream_us);
  return {
    requests,
    client_errors: sum((row) => (Math.floor(row.status_code / 100) === 4 ? 1 : 0)),
    server_errors,
    error_rate: server_errors / requests,
    violations: sum((row) => (row.disposition === 2 ? 1 : 0)),
    latency_mean_ms: latency_us / requests / 1_000,
    latency_max_ms: Math.max(...rows.map((row) => row.latency_us)) / 1_000,
    upstream_mean_ms: upstream_us / requests / 1_000,
    gateway_mean_ms: (latency_us - upstream_us) / requests / 1_000,
    request_bytes: sum((row) => row.request_bytes),
    response_bytes: sum((row) => row.response_bytes),
    unique_clients: new Set(rows.map((row) => row.client_ip).filter((address) => address !== "")).size,
    latenciesMs: rows
      .flatMap((row) => Array.from({ length: row.weight }, () => row.latency_us / 1_000))
      .toSorted((a, b) => a - b),
  };
}

/** Text of a dimension, as answers tell it. */
export function textOf(row: StoredRequest, dimension: string): string {
  switch (dimension) {
    case "status_code":
      return String(row.status_code);
    case "status_class":
      return row.status_code === 0 ? "none" : `${Math.floor(row.status_code / 100)}xx`;
    case "disposition":
      return ["", "processed", "policy_violation", "blocked", "error"][row.disposition] ?? "";
    default:
      return String(row[dimension as keyof StoredRequest]); // dimensions are columns
  }
}
