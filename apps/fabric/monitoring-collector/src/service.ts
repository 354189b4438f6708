import type { Clock, Component, Health, IdSource, Random } from "@drawbridge/lifecycle";
import { createOpsServer } from "@drawbridge/rpc";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import { createCheckInLoop, type CheckInLoop } from "./check-in/check-in-loop.ts";
import { createIngestConnection } from "./check-in/ingest-connection.ts";
import { parseTarget } from "./check-in/ingest-target.ts";
import { createClockSkew } from "./clock/clock-skew.ts";
import { createCollectorMetrics } from "./collector-metrics.ts";
import { collectorVersion } from "./collector-version.ts";
import type { MonitoringCollectorConfig } from "./config.ts";
import { createCredentialWatch } from "./credentials/credential-watch.ts";
import { credentialFiles } from "./credentials/read-credentials.ts";

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
  const target = parseTarget(config.INGEST_ADDRESS);
  const checkIns = createCheckInLoop({
    credentials,
    open: (used) => createIngestConnection(target, used),
    message: { version: collectorVersion, bootId: ids.next() },
    skew,
    metrics: createCollectorMetrics(telemetry.metrics, { credentials, skew }),
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
  return [telemetry, ops, credentials, checkIns];
}

function checkInProblem(checkIns: CheckInLoop, clock: Clock): string | undefined {
  const answeredMs = checkIns.lastAnswerMs();
  if (answeredMs !== undefined && clock.monotonicMs() - answeredMs <= readyForMs) return undefined;
  return checkIns.failure() ?? "has not checked in yet";
}
