import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { Metrics } from "@drawbridge/telemetry";
import type { ObjectStore } from "./configuration/object-store.ts";
import type { GateBook } from "./gatekeeper/gate-book.ts";
import type { GateState } from "./gate/gate.ts";
import type { RequestTallies } from "./workers/protocol.ts";

const gateStates: readonly GateState["state"][] = [
  "fetching",
  "applying",
  "policy_error",
  "offline",
  "unresolved",
  "live",
  "cached",
  "stale",
  "degraded",
  "open",
];

const dispositionNames = {
  [Disposition.DISPOSITION_UNSPECIFIED]: "unknown",
  [Disposition.DISPOSITION_PROCESSED]: "processed",
  [Disposition.DISPOSITION_POLICY_VIOLATION]: "policy_violation",
  [Disposition.DISPOSITION_BLOCKED]: "blocked",
  [Disposition.DISPOSITION_ERROR]: "error",
  [Disposition.UNRECOGNIZED]: "unknown",
} as const satisfies Record<Disposition, string>;

export interface GatewayMetrics {
  readonly requests: (message: RequestTallies) => void;
  readonly workerGone: () => void;
  readonly routesDropped: (count: number) => void;
  readonly transition: (state: GateState["state"]) => void;
}

export function createGatewayMetrics(
  metrics: Metrics,
  observed: {
    readonly gates: GateBook;
    readonly store: ObjectStore;
    readonly workers: () => number;
    readonly isLinkUp: () => boolean;
  },
): GatewayMetrics {
  metrics.gauge("gates", { description: "gates by state" }, () => {
    const counts = new Map<GateState["state"], number>();
    for (const { gate } of observed.gates.all()) counts.set(gate.gate.state, (counts.get(gate.gate.state) ?? 0) + 1);
    return gateStates.map((state) => [counts.get(state) ?? 0, { state }]);
  });
  metrics.gauge("link_up", { description: "1 while the control plane is connected" }, () =>
    observed.isLinkUp() ? 1 : 0,
  );
  metrics.gauge("workers", { description: "threads that take requests" }, observed.workers);
  metrics.gauge("objects", { description: "objects of the configuration in memory" }, () => observed.store.count);
  metrics.gauge("objects_size_bytes", { description: "their size" }, () => observed.store.sizeBytes);
  const requests = metrics.counter("tracked_requests", { description: "requests of tracked resources" });
  const durations = metrics.counter("tracked_requests_duration_seconds", {
    description: "time from their heads to the ends of their answers, of all of them together",
  });
  const dropped = metrics.counter("records_dropped", { description: "records of requests that were too many to keep" });
  const routesDropped = metrics.counter("routes_dropped", {
    description: "observed routes that were too many to keep",
  });
  const ended = metrics.counter("workers_ended", { description: "threads that ended on their own" });
  const transitions = metrics.counter("gate_transitions", { description: "gates that came to a state" });
  return {
    requests: ({ tallies, dropped: lost }) => {
      for (const { disposition, requests: count, durationMs } of tallies) {
        const labels = { disposition: dispositionNames[disposition] };
        requests.add(count, labels);
        durations.add(durationMs / 1_000, labels);
      }
      if (lost !== undefined) dropped.add(lost.requests);
    },
    workerGone: () => ended.add(1),
    routesDropped: (count) => routesDropped.add(count),
    transition: (state) => transitions.add(1, { state }),
  };
}
