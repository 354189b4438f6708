import { existsSync, readdirSync } from "node:fs";
import { extname, join } from "node:path";
import {
  egressDirectoryIn,
  gatewaySpoolDirectory,
  leftSpoolsDirectory,
  takenSpoolsDirectory,
} from "@drawbridge/app-routes";
import { createLoop, type Clock, type Component, type Health } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { GatekeeperProxyConfig } from "../config.ts";
import type { LostRequests, RecordedRequests } from "../workers/protocol.ts";
import { workerCount } from "../workers/worker-count.ts";
import { AnalyticsBoard } from "./analytics-board.ts";
import { createExporterThread } from "./exporter-thread.ts";
import type { AnalyticsAccess, ExporterStatus } from "./exporter-protocol.ts";
import { createAnalyticsMetrics } from "./analytics-metrics.ts";
import { openRecordedCounts, readThreadCount, type RecordedCounts } from "./recorded-counts.ts";
import { accessAnswer } from "./sender/access-answer.ts";

/** What `GET /gatekeeper` says of requests on their way to analytics-ingest. */
export type AnalyticsView =
  | { readonly state: "nothing recorded yet" }
  | ({ readonly state: "recording" } & ExporterStatus);

export interface Analytics extends Component {
  /** In the memory that all threads share. */
  readonly memory: SharedArrayBuffer;
  /** File of their counts; `undefined` where there can be none. */
  readonly recordedCounts: number | undefined;
  readonly record: (thread: number, requests: RecordedRequests) => void;
  readonly lose: (thread: number, loss: LostRequests) => void;
  /** It will send nothing more: what it had in memory is lost. */
  readonly threadGone: (thread: number) => void;
  readonly trustChanged: (bundle: TrustBundle) => void;
  readonly view: () => AnalyticsView;
}

interface AnalyticsDeps {
  readonly ownDirectory: string;
  /** Of all gateways of the fabric. */
  readonly sharedDirectory: string;
  readonly config: Pick<
    GatekeeperProxyConfig,
    "GATEWAY_ID" | "WORKERS" | "ANALYTICS_SPOOL_BYTES" | "ANALYTICS_MAX_AGE_HOURS" | "LOG_LEVEL" | "LOG_FORMAT"
  >;
  readonly trustBundle: () => TrustBundle | undefined;
  readonly getAccess: (refusedToken: string) => Promise<AnalyticsAccess>;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keys, and a look at what others have left. */
const keysEveryMs = 30_000;
/** So long a stop waits for what is left to be delivered: what is not then waits on the disk. */
const deliverWithinMs = 5_000;
/** A server that is away for a moment is nobody's trouble. */
const troubleAfterMs = 60_000;

/**
 * Requests that workers recorded -> exporter (a thread with the spool) -> analytics-ingest. The thread begins with the first
 * request, or with what an earlier process has left.
 */
export function openAnalytics(deps: AnalyticsDeps): Analytics {
  const { config, clock, logger } = deps;
  const directory = gatewaySpoolDirectory(deps.ownDirectory);
  const leftDirectory = leftSpoolsDirectory(deps.sharedDirectory);
  const takenDirectory = takenSpoolsDirectory(deps.ownDirectory);
  const counts = openCounts(join(directory, "recorded"), deps);
  /** Of each thread, what came of it. */
  const received = new Map<number, number>();
  const board = new AnalyticsBoard();
  board.renewKeys(clock.now().getTime());
  let status: ExporterStatus | undefined;
  const counted = createAnalyticsMetrics(deps.metrics, { status: () => status, clock });
  const thread = createExporterThread({
    entry: new URL(`./exporter-main${extname(import.meta.filename)}`, import.meta.url),
    start: {
      directory,
      leftDirectory,
      takenDirectory,
      egressDirectory: egressDirectoryIn(deps.ownDirectory),
      gatewayId: config.GATEWAY_ID,
      spoolBytes: config.ANALYTICS_SPOOL_BYTES,
      maxAgeMs: config.ANALYTICS_MAX_AGE_HOURS * 3_600_000,
      recordedBefore: counts?.before,
      log: { level: config.LOG_LEVEL, format: config.LOG_FORMAT },
    },
    clock,
    logger,
    onBorn: () => {
      counted.threadBegins();
      const bundle = deps.trustBundle();
      if (bundle !== undefined) thread.post({ type: "trust", bundle });
    },
    onTaken: (bytes) => board.addBytes(-bytes),
    onMessage: (message) => {
      switch (message.type) {
        case "access_wanted":
          return void answerAccess(message.refusedToken);
        case "pace":
          board.flushEveryMs = message.flushEveryMs;
          return;
        case "status":
          status = message.status;
          counted.changed(message.status);
      }
    },
  });

  async function answerAccess(refusedToken: string): Promise<void> {
    thread.post({ type: "access", access: await accessAnswer(deps.getAccess(refusedToken)) });
  }

  function receive(recorder: number, requests: number): void {
    received.set(recorder, (received.get(recorder) ?? 0) + requests);
  }

  function lose(recorder: number, loss: LostRequests): void {
    receive(recorder, loss.requests);
    thread.post({ type: "lost", loss });
  }

  deps.health.register(
    "analytics",
    () => {
      const { spool, trouble } = status ?? {};
      if (spool?.failure !== undefined) return `requests cannot be kept on the disk: ${spool.failure}`;
      if (trouble === undefined || clock.now().getTime() - trouble.sinceMs < troubleAfterMs) return undefined;
      return `requests are not delivered since ${new Date(trouble.sinceMs).toISOString()}: ${trouble.reason}`;
    },
    "degraded",
  );
  const keys = createLoop({
    name: "analytics",
    clock,
    intervalMs: keysEveryMs,
    pass: () => {
      board.renewKeys(clock.now().getTime());
      if (isThere(leftDirectory) || isThere(takenDirectory)) thread.bear();
      return Promise.resolve();
    },
    onError: (error) => logger.error({ err: error }, "the key of hashed addresses could not be renewed"),
  });
  return {
    name: "analytics",
    memory: board.memory,
    recordedCounts: counts?.fd,
    record: (recorder, requests) => {
      receive(recorder, requests.rows);
      thread.record(requests);
    },
    lose,
    threadGone: (recorder) => {
      if (counts === undefined) return;
      const recorded = readThreadCount(counts.fd, recorder);
      const requests = recorded.requests - (received.get(recorder) ?? 0);
      if (requests > 0) lose(recorder, { ...recorded, fromMs: recorded.fromMs || recorded.toMs, requests });
    },
    trustChanged: (bundle) => thread.isBorn && thread.post({ type: "trust", bundle }),
    view: () => (status === undefined ? { state: "nothing recorded yet" } : { state: "recording", ...status }),
    start: async (signal) => {
      await keys.start(signal);
      const isLeft = existsSync(join(directory, "state")) || (counts?.before?.requests ?? 0) > 0;
      if (isLeft) thread.bear();
    },
    stop: async (deadline) => {
      await keys.stop(deadline);
      await thread.stop(deliverWithinMs, deadline);
    },
  };
}

/** Without them nothing else is missing: a kill loses what it loses, and it is not known how much. */
function openCounts(path: string, { config, logger }: AnalyticsDeps): RecordedCounts | undefined {
  try {
    return openRecordedCounts(path, workerCount(config));
  } catch (error) {
    logger.warn({ err: error }, "requests cannot be counted on the disk: what a kill loses is not known");
    return undefined;
  }
}

/** Something is in the folder. */
function isThere(directory: string): boolean {
  return existsSync(directory) && readdirSync(directory).length > 0;
}
