import { join } from "node:path";
import type { Clock, Component, Health, IdSource, Random } from "@drawbridge/lifecycle";
import { createOpsServer } from "@drawbridge/rpc";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import { createEndpointSource, noEndpoints } from "./app-endpoint/endpoint-source.ts";
import { createCheckInLoop, type CheckInLoop } from "./check-in/check-in-loop.ts";
import { createIngestConnection } from "./check-in/ingest-connection.ts";
import { parseTarget } from "./check-in/ingest-target.ts";
import { createClockSkew } from "./clock/clock-skew.ts";
import { createCollectorMetrics } from "./collector-metrics.ts";
import { collectorVersion } from "./collector-version.ts";
import type { MonitoringCollectorConfig } from "./config.ts";
import { createCredentialWatch } from "./credentials/credential-watch.ts";
import { credentialFiles, type Credentials } from "./credentials/read-credentials.ts";
import { createMetricsExporter } from "./export/metrics-exporter.ts";
import { createCollectorLedger } from "./egress/collector-ledger.ts";
import { createBatchQueue, removeCheckpoint, type DropReason } from "./queue/batch-queue.ts";
import { createDropTally } from "./queue/drop-tally.ts";
import { createProcessSource } from "./sampling/process-source.ts";
import { createSampler } from "./sampling/sampler.ts";
import { createTrafficSource } from "./traffic/traffic-source.ts";

export interface MonitoringCollectorDeps {
  readonly config: MonitoringCollectorConfig;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

/** Design R23: ready while the last session is at most so old. */
const readyForMs = 300_000;

/** In start order; stop runs it backwards. */
export function createMonitoringCollectorService(deps: MonitoringCollectorDeps): readonly Component[] {
  const { config, logger, telemetry, health, clock, random, ids } = deps;
  const ops = createOpsServer({ listen: config.OPS_LISTEN, health, telemetry, logger });
  const skew = createClockSkew({ clock, logger });
  const credentials = createCredentialWatch({
    files: credentialFiles(config.STATE_DIR),
    correctedNow: () => skew.correctedNow(),
    clock,
    logger,
  });
  const queueDirectory = join(config.STATE_DIR, "collector", "queue");
  const tally = createDropTally();
  const queue = createBatchQueue({
    directory: queueDirectory,
    maxBytes: config.QUEUE_MAX_BYTES,
    maxAgeMs: config.QUEUE_MAX_AGE_HOURS * 3_600_000,
    onDropped: (reason, dataPoints) => dropped(reason, dataPoints),
    clock,
    logger,
  });
  const metrics = createCollectorMetrics(telemetry.metrics, { credentials, skew, queue: () => queue.size(), clock });
  function dropped(reason: DropReason, dataPoints: number): void {
    tally.add(reason, dataPoints);
    metrics.dropped(reason, dataPoints);
  }
  const target = parseTarget(config.INGEST_ADDRESS);
  const ledger = createCollectorLedger({
    directory: join(config.STATE_DIR, "egress"),
    address: config.INGEST_ADDRESS,
    clock,
    logger,
  });
  const checkIns = createCheckInLoop({
    credentials,
    open: (used) =>
      createIngestConnection({
        target,
        credentials: used,
        proxy: config.HTTPS_PROXY,
        onSent: (what, sizeBytes) => ledger.sent(what, sizeBytes),
      }),
    message: { version: collectorVersion, bootId: ids.next() },
    skew,
    metrics,
    clock,
    random,
    logger,
  });
  const cluster = join(config.STATE_DIR, "cluster");
  const sampler = createSampler({
    intervalMs: config.SAMPLE_INTERVAL_MS,
    source: createProcessSource(cluster),
    traffic: createTrafficSource(cluster),
    endpoints:
      config.APP_METRICS === "off"
        ? noEndpoints
        : createEndpointSource({ onRead: (result) => metrics.endpointRead(result), logger }),
    queue,
    fabricId: () => fabricOf(credentials.current()),
    dropped: tally,
    version: collectorVersion,
    onSampled: (outcome) => metrics.sampled(outcome),
    clock,
    logger,
  });
  const exporter = createMetricsExporter({
    queue,
    link: checkIns,
    onResult: (result) => metrics.exported(result),
    onDropped: dropped,
    clock,
    random,
    logger,
  });

  health.register("credentials", () => {
    const current = credentials.current();
    if (current === undefined) return credentials.problem() ?? "not read yet";
    const { notAfter } = current.identity;
    if (skew.correctedNow() < notAfter) return undefined;
    return `the monitoring certificate expired at ${notAfter.toISOString()}: the agent has not renewed it${skew.remark()}`;
  });
  health.register("check-in", () => checkInProblem(checkIns, clock));
  if (config.MONITORING === "off") {
    logger.info({}, "monitoring is off: nothing is measured and nothing but the check-in is sent");
    return [telemetry, ops, credentials, ledger, forgetBaseline(queueDirectory), checkIns];
  }
  // What cannot be sent waits on disk: whoever asks is told, and nobody takes the collector away for it.
  health.register("export", () => exporter.failure(), "degraded");
  // The last sample is taken when the exporter has stopped: it waits on disk for the next start.
  return [telemetry, ops, credentials, ledger, checkIns, sampler, exporter];
}

/** What happens while monitoring is off is not told of later either. */
function forgetBaseline(queueDirectory: string): Component {
  return {
    name: "baseline",
    start: () => removeCheckpoint(queueDirectory),
    stop: () => Promise.resolve(),
  };
}

function fabricOf(credentials: Credentials | undefined): string | undefined {
  const identity = credentials?.identity.identity;
  return identity?.kind === "collector" ? identity.fabricId : undefined;
}

function checkInProblem(checkIns: CheckInLoop, clock: Clock): string | undefined {
  const answeredMs = checkIns.lastAnswerMs();
  if (answeredMs !== undefined && clock.monotonicMs() - answeredMs <= readyForMs) return undefined;
  return checkIns.failure() ?? "has not checked in yet";
}
