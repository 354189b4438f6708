import type { Metrics } from "@drawbridge/telemetry";

/** Counts requests and their durations. `method` is a route or a method's path, `code` an error code: closed sets. */
export interface RequestMetrics {
  record(request: { readonly method: string; readonly code: string | undefined; readonly durationMs: number }): void;
}

export function createRequestMetrics(metrics: Metrics, server: string): RequestMetrics {
  const requests = metrics.counter("requests", { description: "requests answered, by outcome" });
  const durations = metrics.histogram("request_duration_seconds", {
    description: "time from request to answer",
    unit: "s",
  });
  return {
    record: ({ method, code, durationMs }) => {
      requests.add(1, { server, method, code: code ?? "OK" });
      durations.record(durationMs / 1000, { server, method });
    },
  };
}
