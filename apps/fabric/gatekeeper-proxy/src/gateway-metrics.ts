import type { Metrics } from "@drawbridge/telemetry";
import type { ObjectStore } from "./configuration/object-store.ts";
import type { GateBook } from "./gatekeeper/gate-book.ts";
import type { GateState } from "./gate/gate.ts";
import type { AnalyticsBatch } from "./workers/protocol.ts";

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

export interface GatewayMetrics {
  readonly requests: (batch: AnalyticsBatch) => void;
  readonly workerGone: () => void;
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
  const dropped = metrics.counter("records_dropped", { description: "records of requests that were too many to keep" });
  const ended = metrics.counter("workers_ended", { description: "threads that ended on their own" });
  const transitions = metrics.counter("gate_transitions", { description: "gates that came to a state" });
  return {
    requests: ({ records, dropped: count }) => {
      const counts = new Map<string, number>();
      for (const { disposition } of records) counts.set(disposition, (counts.get(disposition) ?? 0) + 1);
      for (const [disposition, number] of counts) requests.add(number, { disposition });
      if (count > 0) dropped.add(count);
    },
    workerGone: () => ended.add(1),
    transition: (state) => transitions.add(1, { state }),
  };
}
