import type { Clock } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";
import type { ExporterStatus } from "./exporter-protocol.ts";
import { lossReasons } from "./spool/gap-list.ts";

interface AnalyticsMetrics {
  /** A thread tells what it did since its own beginning. */
  threadBegins(): void;
  changed(status: ExporterStatus): void;
}

export function createAnalyticsMetrics(
  metrics: Metrics,
  { status, clock }: { readonly status: () => ExporterStatus | undefined; readonly clock: Clock },
): AnalyticsMetrics {
  metrics.gauge(
    "analytics_spool_size_bytes",
    { description: "requests on the disk, delivered ones too until their segment goes" },
    () => status()?.spool?.bytes ?? 0,
  );
  metrics.gauge(
    "analytics_waiting_requests",
    { description: "requests that wait to be delivered" },
    () => (status()?.spool?.requests ?? 0) + (status()?.takenOver ?? 0),
  );
  metrics.gauge("analytics_oldest_age_seconds", { description: "age of the oldest that waits" }, () => {
    const oldestMs = status()?.spool?.oldestMs;
    return oldestMs === undefined ? 0 : Math.max(0, clock.now().getTime() - oldestMs) / 1_000;
  });
  const batches = metrics.counter("analytics_batches_sent", { description: "batches that were acknowledged" });
  const requests = metrics.counter("analytics_requests_sent", { description: "requests in them" });
  const refused = metrics.counter("analytics_batches_refused", { description: "batches that will never be taken" });
  const lost = metrics.counter("analytics_requests_lost", { description: "requests that become a gap, by reason" });
  let before: Pick<ExporterStatus, "sentBatches" | "sentRequests" | "refusedBatches" | "lost"> = nothing;
  return {
    threadBegins: () => {
      before = nothing;
    },
    changed: (now) => {
      batches.add(now.sentBatches - before.sentBatches);
      requests.add(now.sentRequests - before.sentRequests);
      refused.add(now.refusedBatches - before.refusedBatches);
      for (const reason of lossReasons) {
        const count = (now.lost[reason] ?? 0) - (before.lost[reason] ?? 0);
        if (count > 0) lost.add(count, { reason });
      }
      before = now;
    },
  };
}

const nothing = { sentBatches: 0, sentRequests: 0, refusedBatches: 0, lost: {} } as const;
