import { isDrawbridgeError } from "@drawbridge/errors";
import { fullJitterDelayMs, type Clock, type Component, type Random } from "@drawbridge/lifecycle";
import { field, withSpan, type Logger } from "@drawbridge/telemetry";
import type { IngestConnection } from "../check-in/ingest-connection.ts";
import { rejectedPoints } from "../otlp/encode-samples.ts";
import type { BatchQueue, DropReason, QueuedBatch } from "../queue/batch-queue.ts";

export type ExportResult = "ok" | "refused" | "failed";

/** The connection in use, whoever opens it. */
export interface IngestLink {
  connection(): Pick<IngestConnection, "exportMetrics"> | undefined;
  whenConnected(signal: AbortSignal): Promise<void>;
  reconnect(): void;
}

export interface MetricsExporter extends Component {
  /** Why the last attempt failed; undefined if it did not. */
  failure(): string | undefined;
}

/** Design R13. */
const backoff = { baseMs: 1_000, capMs: 60_000, floorMs: 250 };

/** Codes of answers that will be the same whenever the same bytes come. Others are about now, or about who we are. */
const refusalKinds: ReadonlySet<string> = new Set(["invalid_argument"]);

/**
 * Sends queued batches, the oldest first and one at a time, over the connection that the check-in keeps open.
 *
 * Invariant: a batch leaves the queue when it was taken, or refused for good. One whose answer was lost is sent again, byte for
 * byte, by which monitoring-ingest knows it.
 */
export function createMetricsExporter(deps: {
  readonly queue: Pick<BatchQueue, "first" | "remove" | "whenFilled">;
  readonly link: IngestLink;
  readonly onResult: (result: ExportResult) => void;
  readonly onDropped: (reason: DropReason, dataPoints: number) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}): MetricsExporter {
  const { queue, link, onResult, onDropped, clock, random } = deps;
  const logger = deps.logger.child({ [field.component]: "export" });
  const stopping = new AbortController();
  let failures = 0;
  let failure: string | undefined;
  let running: Promise<void> = Promise.resolve();

  async function send(batch: QueuedBatch, connection: Pick<IngestConnection, "exportMetrics">): Promise<void> {
    const answer = await withSpan(
      "export-metrics",
      {},
      () => connection.exportMetrics(batch.content, stopping.signal),
      { kind: "client" },
    );
    const rejected = rejectedPoints(answer);
    if (rejected > 0) {
      onDropped("rejected", rejected);
      logger.warn({ rejected }, "monitoring-ingest did not take all data points");
    }
  }

  async function pass(batch: QueuedBatch, connection: Pick<IngestConnection, "exportMetrics">): Promise<number> {
    try {
      await send(batch, connection);
      onResult("ok");
    } catch (error) {
      if (stopping.signal.aborted) return 0;
      if (!isDrawbridgeError(error) || !refusalKinds.has(error.kind)) return failed(error);
      onResult("refused");
      onDropped("refused", batch.dataPoints);
      logger.error({ err: error, data_points: batch.dataPoints }, "monitoring-ingest refuses a batch for good");
    }
    await queue.remove(batch.sequence);
    if (failures > 0) logger.info({ [field.attempt]: failures }, "sending samples again");
    failures = 0;
    failure = undefined;
    return 0;
  }

  function failed(error: unknown): number {
    onResult("failed");
    const retryAfterMs = isDrawbridgeError(error) ? (error.retryAfterMs ?? 0) : 0;
    const jitterMs = fullJitterDelayMs({ ...backoff, attempt: failures, random });
    // Told to come back at a time, all collectors would: the jitter comes on top.
    const delayMs = retryAfterMs > 0 ? retryAfterMs + jitterMs : jitterMs;
    if (failures === 0) logger.warn({ err: error, [field.delayMs]: delayMs }, "samples wait in the queue");
    failures += 1;
    failure = isDrawbridgeError(error) ? error.message : "samples cannot be sent";
    return delayMs;
  }

  /** @returns for how long to wait. */
  async function step(): Promise<number> {
    const batch = await queue.first();
    if (batch === undefined) {
      await queue.whenFilled(stopping.signal);
      return 0;
    }
    const connection = link.connection();
    if (connection !== undefined) return pass(batch, connection);
    link.reconnect();
    await link.whenConnected(stopping.signal);
    return 0;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const delayMs = await step().catch(failed); // the disk
      if (delayMs > 0) await clock.sleep(delayMs, stopping.signal).catch(() => undefined); // stopped
    }
  }

  return {
    name: "export",
    failure: () => failure,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("stopping"));
      await running;
    },
  };
}
