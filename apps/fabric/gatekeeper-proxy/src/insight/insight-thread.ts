import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { CopiedExchange, FromInsight, InsightLoss, InsightStart, ToInsight } from "./insight-protocol.ts";

interface InsightThreadOptions {
  readonly entry: URL;
  readonly start: InsightStart;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Before anything else is posted. */
  readonly onBorn: () => void;
  /** A worker's bytes are not held any more. */
  readonly onTaken: (worker: number, bytes: number) => void;
  readonly onMessage: (message: Exclude<FromInsight, { type: "taken" | "stopped" }>) => void;
}

interface InsightThread {
  mask(worker: number, exchange: CopiedExchange): void;
  lose(losses: readonly InsightLoss[]): void;
  /** Nothing where there is no thread. */
  post(message: Extract<ToInsight, { type: "trust" | "access" }>): void;
  stop(withinMs: number, deadline: AbortSignal): Promise<void>;
}

const pauseAfterEndMs = 1_000;
/** A thread that needs more ends alone, and not the process. */
const maxOldGenerationSizeMb = 256;

/*
 * The thread that masks and sends, begun with the first exchange.
 *
 * Invariants: what it had not taken when it ended, and what comes in the second after, is counted as lost and kept by nobody.
 */
export function createInsightThread(options: InsightThreadOptions): InsightThread {
  const { clock, logger } = options;
  let worker: Worker | undefined;
  let isStopping = false;
  let endedMs = -pauseAfterEndMs;
  /** Given to the thread and not taken yet, in that order. */
  let onTheWay: { readonly worker: number; readonly exchange: Pick<CopiedExchange, "orders" | "heldBytes"> }[] = [];
  /** Told to the next thread. */
  let unsaid: InsightLoss[] = [];

  function spawn(): Worker {
    const { entry, start: workerData } = options;
    const thread = new Worker(entry, { workerData, name: "insight", resourceLimits: { maxOldGenerationSizeMb } });
    worker = thread;
    thread.on("message", (message: FromInsight) => receive(message));
    thread.on("error", () => logger.error({}, "the masking of exchanges has failed"));
    thread.once("exit", () => onExit());
    options.onBorn();
    if (unsaid.length > 0) thread.postMessage({ type: "lost_exchanges", losses: unsaid } satisfies ToInsight, []);
    unsaid = [];
    return thread;
  }

  function receive(message: FromInsight): void {
    if (message.type === "stopped") return;
    if (message.type !== "taken") return options.onMessage(message);
    const taken = onTheWay.shift();
    if (taken !== undefined) options.onTaken(taken.worker, taken.exchange.heldBytes);
  }

  function onExit(): void {
    worker = undefined;
    endedMs = clock.monotonicMs();
    const lost = onTheWay;
    onTheWay = [];
    for (const { worker: index, exchange } of lost) forget(index, exchange);
    if (!isStopping) logger.error({ exchanges: lost.length }, "the masking of exchanges has ended");
  }

  function forget(index: number, { orders, heldBytes }: Pick<CopiedExchange, "orders" | "heldBytes">): void {
    options.onTaken(index, heldBytes);
    for (const { captureId } of orders) keepUnsaid({ captureId, reason: "fault", exchanges: 1 });
  }

  function keepUnsaid(loss: InsightLoss): void {
    const at = unsaid.findIndex(({ captureId, reason }) => captureId === loss.captureId && reason === loss.reason);
    const known = unsaid[at];
    if (known === undefined) unsaid.push(loss);
    else unsaid[at] = { ...known, exchanges: known.exchanges + loss.exchanges };
  }

  return {
    mask: (index, exchange) => {
      if (isStopping || (worker === undefined && clock.monotonicMs() - endedMs < pauseAfterEndMs)) {
        return forget(index, exchange);
      }
      const thread = worker ?? spawn();
      const { orders, heldBytes } = exchange;
      onTheWay.push({ worker: index, exchange: { orders, heldBytes } });
      const buffers = [exchange.requestBody.bytes?.buffer, exchange.responseBody.bytes?.buffer];
      thread.postMessage(
        exchange,
        buffers.filter((buffer) => buffer !== undefined),
      );
    },
    lose: (losses) => {
      if (worker === undefined) losses.forEach(keepUnsaid);
      else worker.postMessage({ type: "lost_exchanges", losses } satisfies ToInsight, []);
    },
    post: (message) => worker?.postMessage(message, []),
    stop: async (withinMs, deadline) => {
      isStopping = true;
      const thread = worker;
      if (thread === undefined) return;
      const ended = once(thread, "exit", { signal: deadline });
      thread.postMessage({ type: "stop", withinMs } satisfies ToInsight, []);
      await ended.catch(() => undefined); // no time left
      await thread.terminate();
    },
  };
}
