import type { Clock } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";
import type { CheckInResult, ConnectReason } from "./check-in/check-in-result.ts";
import type { ClockSkew } from "./clock/clock-skew.ts";
import type { CredentialWatch } from "./credentials/credential-watch.ts";
import type { ExportResult } from "./export/metrics-exporter.ts";
import type { BatchQueue, DropReason } from "./queue/batch-queue.ts";
import type { SampleOutcome } from "./sampling/sampler.ts";

export interface CollectorMetrics {
  checkedIn(result: CheckInResult): void;
  connected(reason: ConnectReason): void;
  sampled(outcome: SampleOutcome): void;
  endpointRead(result: "ok" | "failed"): void;
  exported(result: ExportResult): void;
  dropped(reason: DropReason, dataPoints: number): void;
}

export function createCollectorMetrics(
  metrics: Metrics,
  from: {
    readonly credentials: Pick<CredentialWatch, "current" | "problem">;
    readonly skew: ClockSkew;
    readonly queue: () => ReturnType<BatchQueue["size"]>;
    readonly clock: Pick<Clock, "now">;
  },
): CollectorMetrics {
  const checkIns = metrics.counter("check_ins", { description: "check-ins by result" });
  const reconnects = metrics.counter("reconnects", { description: "connections opened, by reason" });
  metrics.gauge(
    "certificate_not_after_seconds",
    { description: "end of the monitoring certificate in use, in seconds since 1970" },
    () => {
      const current = from.credentials.current();
      return current === undefined ? [] : current.identity.notAfter.getTime() / 1_000;
    },
  );
  metrics.gauge(
    "credentials_unusable",
    { description: "1 while the certificate's files, as they are now, cannot be used" },
    () => (from.credentials.problem() === undefined ? 0 : 1),
  );
  metrics.gauge("clock_skew_seconds", { description: "this machine's clock minus the control plane's" }, () => {
    const measuredMs = from.skew.measuredMs();
    return measuredMs === undefined ? [] : measuredMs / 1_000;
  });
  const samples = metrics.counter("samples", { description: "looks at all replicas, by outcome" });
  const nameless = metrics.counter("nameless_requests", {
    description: "requests of replicas that were gone before their names were read",
  });
  const endpoints = metrics.counter("app_endpoint_reads", {
    description: "apps asked for their own metrics, by result",
  });
  const exports = metrics.counter("exports", { description: "batches sent, by result" });
  const dropped = metrics.counter("dropped_points", { description: "data points that never arrive, by reason" });
  let replicas = 0;
  metrics.gauge("replicas", { description: "replicas in the last sample" }, () => replicas);
  metrics.gauge("queue_batches", { description: "samples that wait to be sent" }, () => from.queue().batches);
  metrics.gauge("queue_size_bytes", { description: "their size on disk" }, () => from.queue().bytes);
  metrics.gauge("queue_oldest_age_seconds", { description: "age of the oldest of them; 0 without any" }, () => {
    const { oldestAtMs } = from.queue();
    return oldestAtMs === undefined ? 0 : Math.max(0, from.clock.now().getTime() - oldestAtMs) / 1_000;
  });
  return {
    sampled: (sample) => {
      samples.add(1, { outcome: sample.outcome });
      if (sample.outcome !== "ok") return;
      replicas = sample.replicas;
      if (sample.namelessRequests > 0) nameless.add(sample.namelessRequests);
    },
    endpointRead: (result) => endpoints.add(1, { result }),
    exported: (result) => exports.add(1, { result }),
    dropped: (reason, dataPoints) => dropped.add(dataPoints, { reason }),
    checkedIn: (result) => checkIns.add(1, { result }),
    connected: (reason) => reconnects.add(1, { reason }),
  };
}
