import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock, Component, HealthCheck, IdSource, Random } from "@drawbridge/lifecycle";
import { retryWithBackoff } from "@drawbridge/lifecycle";
import type { Logger, Metrics } from "@drawbridge/telemetry";
import type { AppReading } from "../domain/app-reading.ts";
import { rowsOfReadings } from "../domain/metric-rows.ts";
import type { RememberedBatches } from "../domain/remembered-batches.ts";
import type { CounterBook, CounterDraft } from "./counter-book.ts";
import { createBaselineBlock, createMetricBlock, createOwnBlock } from "./metric-blocks.ts";
import { baselinesFile, metricsFile, ownFile, type Spool } from "./spool.ts";

/** What one message says. */
export interface MetricsBatch {
  readonly fabricId: string;
  /** Its name: a message that comes again has the same. */
  readonly batch: number;
  readonly readings: readonly AppReading[];
}

export type Committed =
  /** `refused`: readings of counters beyond what a fabric may have. */
  { readonly outcome: "stored"; readonly refused: number } | { readonly outcome: "known" };

export interface BatchCommitter extends Component {
  readonly health: HealthCheck;
  /**
   * Resolves when what the batch says outlives a crash.
   * @throws DrawbridgeError `METRICS_STORE_UNAVAILABLE` | `METRICS_OVERLOADED` (unavailable, retry)
   */
  commit(batch: MetricsBatch): Promise<Committed>;
}

export interface BatchCommitterDeps {
  readonly spool: Spool;
  readonly book: CounterBook;
  readonly remembered: RememberedBatches;
  readonly flushIntervalMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface Waiting {
  readonly batch: MetricsBatch;
  readonly settle: PromiseWithResolvers<Committed>;
}

/** Readings that may wait for the next flush; at 100 bytes each some ten MB. */
const maxWaitingReadings = 200_000;
const retryAfterMs = 5_000;
/** A store that does not take a flush for longer than this is away: nobody waits for it. */
const patienceMs = 3_000;
const longestPauseMs = 2_000;

/**
 * Group commit: whatever came in since the last flush becomes one folder of the spool, with one fsync per file, and its
 * senders get their answer; then it goes into the store. One flush at a time, so rows and counters are never taken twice:
 * changes of counters and names of messages count only when the folder is in its place.
 */
export function createBatchCommitter(deps: BatchCommitterDeps): BatchCommitter {
  const { spool, book, remembered, clock, random, ids, logger } = deps;
  const stopping = new AbortController();
  const [metricBlock, ownBlock, baselineBlock] = [createMetricBlock(), createOwnBlock(), createBaselineBlock()];
  const rowsStored = deps.metrics.counter("metric_rows", { description: "rows that were made durable" });
  let waiting: Waiting[] = [];
  let waitingReadings = 0;
  let wake = Promise.withResolvers<void>();
  let insertingSinceMs: number | undefined;
  let running: Promise<void> = Promise.resolve();

  const isStuck = (): boolean => insertingSinceMs !== undefined && clock.monotonicMs() - insertingSinceMs > patienceMs;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await wake.promise;
      await clock.sleep(deps.flushIntervalMs, stopping.signal).catch(() => undefined);
      wake = Promise.withResolvers();
      const batches = waiting;
      [waiting, waitingReadings] = [[], 0];
      if (batches.length > 0) await flush(batches);
    }
  }

  async function flush(batches: readonly Waiting[]): Promise<void> {
    const name = ids.next();
    const draft = book.draft();
    let answers: readonly Committed[];
    let isWritten: boolean;
    try {
      answers = fillBlocks(batches, draft);
      isWritten = await write(name, draft);
    } catch (error) {
      metricBlock.writer.clear();
      ownBlock.writer.clear();
      baselineBlock.writer.clear();
      logger.error({ err: error }, "metrics could not be written to the spool");
      for (const { settle } of batches)
        settle.reject(unavailable("what collectors send cannot be kept just now", error));
      return;
    }
    draft.keep();
    for (const [index, { batch, settle }] of batches.entries()) {
      remembered.add(batch.fabricId, batch.batch);
      settle.resolve(answers[index] ?? { outcome: "known" });
    }
    if (isWritten) await insert(name);
  }

  function fillBlocks(batches: readonly Waiting[], draft: CounterDraft): readonly Committed[] {
    const receivedAt = clock.now();
    const inThisFlush = new Set<string>();
    return batches.map(({ batch: { fabricId, batch, readings } }) => {
      const key = `${fabricId} ${batch}`;
      if (remembered.has(fabricId, batch) || inThisFlush.has(key)) return { outcome: "known" };
      inThisFlush.add(key);
      const { rows, own, refused } = rowsOfReadings(readings, { fabricId, baselines: draft });
      for (const row of rows) metricBlock.push(row, { batch, receivedAt });
      for (const reading of own) ownBlock.push(reading, { fabricId, batch, receivedAt });
      return { outcome: "stored", refused };
    });
  }

  async function write(name: string, draft: CounterDraft): Promise<boolean> {
    for (const change of draft.changes()) baselineBlock.push(change);
    const [metricRows, ownRows] = [metricBlock.writer.rows, ownBlock.writer.rows];
    const baselineRows = baselineBlock.writer.rows;
    if (metricRows + ownRows + baselineRows === 0) return false;
    await spool.put(name, async (folder) => {
      if (metricRows > 0) await metricBlock.writer.writeFile(metricsFile(folder));
      if (ownRows > 0) await ownBlock.writer.writeFile(ownFile(folder));
      if (baselineRows > 0) await baselineBlock.writer.writeFile(baselinesFile(folder));
    });
    rowsStored.add(metricRows + ownRows);
    return true;
  }

  /** Until the store has it. What is left behind by a stop is brought in by the next start. */
  async function insert(name: string): Promise<void> {
    insertingSinceMs = clock.monotonicMs();
    let isAway = false;
    const onFailure = (error: unknown): "retry" | "stop" => {
      if (!isForLater(error)) return "stop";
      if (!isAway) logger.warn({ err: error }, "the columnar store is away; metrics wait in the spool");
      isAway = true;
      if (isStuck()) turnAway();
      return "retry";
    };
    try {
      const retry = { clock, random, capMs: longestPauseMs, onFailure };
      await retryWithBackoff(() => spool.insert(name), retry, stopping.signal);
      if (isAway) logger.info({}, "the columnar store is back");
    } catch (error) {
      if (stopping.signal.aborted) return;
      logger.error({ err: error, folder: name }, "the columnar store refuses metrics, which are put aside");
      await spool.putAside(name);
    } finally {
      insertingSinceMs = undefined;
    }
  }

  function turnAway(): void {
    const away = waiting;
    [waiting, waitingReadings] = [[], 0];
    for (const { settle } of away) settle.reject(unavailable("the columnar store is away"));
  }

  return {
    name: "metrics committer",
    health: () => (isStuck() ? "the columnar store is away: collectors wait" : undefined),
    start: async (signal) => {
      for (const name of await spool.recover()) {
        await insert(name);
        signal.throwIfAborted();
      }
      running = run();
    },
    stop: async () => {
      stopping.abort(new Error("monitoring-ingest is stopping"));
      wake.resolve();
      await running;
      turnAway();
    },
    commit: (batch) => {
      if (stopping.signal.aborted || isStuck()) return Promise.reject(unavailable("the columnar store is away"));
      if (waitingReadings + batch.readings.length > maxWaitingReadings) return Promise.reject(overloaded());
      const settle = Promise.withResolvers<Committed>();
      waiting.push({ batch, settle });
      waitingReadings += batch.readings.length;
      wake.resolve();
      return settle.promise;
    },
  };
}

/** What a store says that is to be asked again; anything else would be said again. */
function isForLater(error: unknown): boolean {
  return isDrawbridgeError(error) && (error.kind === "unavailable" || error.kind === "resource_exhausted");
}

function unavailable(message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "METRICS_STORE_UNAVAILABLE",
    message: `${message}; keep the metrics and send them again`,
    retryAfterMs,
    cause,
  });
}

function overloaded(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "METRICS_OVERLOADED",
    message: "too many metrics wait to be stored; keep them and send them again",
    retryAfterMs,
  });
}
