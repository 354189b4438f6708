import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { LostRequests, RecordedRequests } from "../workers/protocol.ts";
import type { ExporterStart, FromExporter, ToExporter } from "./exporter-protocol.ts";

interface ExporterThread {
  readonly isBorn: boolean;
  bear(): void;
  /** Give a batch away; the thread begins with the first one. */
  record(requests: RecordedRequests): void;
  post(message: Exclude<ToExporter, { type: "requests" | "stop" }>): void;
  stop(deliverWithinMs: number, deadline: AbortSignal): Promise<void>;
}

interface ExporterThreadOptions {
  readonly entry: URL;
  /** `recordedBefore`: by earlier processes. */
  readonly start: ExporterStart;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Before anything else is posted. */
  readonly onBorn: () => void;
  /** So many bytes of batches are not on their way any more. */
  readonly onTaken: (bytes: number) => void;
  readonly onMessage: (message: Exclude<FromExporter, { type: "taken" | "stopped" }>) => void;
}

const shortestPauseMs = 1_000;
const longestPauseMs = 30_000;

/*
 * The exporter and its supervision.
 *
 * Invariants: the thread that follows is told how many requests were posted to those before it, and counts as lost what of them
 * is not in the spool; a thread that ends on its own is started again, for ever, with growing pauses.
 */
export function createExporterThread(options: ExporterThreadOptions): ExporterThread {
  const { clock, logger } = options;
  const stopping = new AbortController();
  let worker: Worker | undefined;
  let isBorn = false;
  let pauseMs = 0;
  let { recordedBefore } = options.start;
  /** Requests that the thread was told of; the next one knows of them. */
  let posted = 0;
  /** Given to the thread and not taken yet, in that order. */
  let onTheWay: { readonly loss: LostRequests; readonly bytes: number }[] = [];
  /** Came while there was no thread. */
  let waiting: { readonly message: ToExporter; readonly transfer: readonly ArrayBuffer[] }[] = [];

  function spawn(): void {
    const workerData: ExporterStart = { ...options.start, recordedBefore };
    const thread = new Worker(options.entry, { workerData, name: "analytics" });
    worker = thread;
    thread.on("message", (message: FromExporter) => receive(message));
    thread.on("error", (error: unknown) => logger.error({ err: error }, "the exporter of requests has failed"));
    thread.once("exit", (exitCode) => onExit(exitCode));
    options.onBorn();
    const posts = waiting;
    waiting = [];
    for (const { message, transfer } of posts) deliver(thread, message, transfer);
  }

  function receive(message: FromExporter): void {
    switch (message.type) {
      case "taken":
        onTheWay.shift();
        pauseMs = 0;
        return options.onTaken(message.bytes);
      case "stopped":
        return;
      case "access_wanted":
      case "pace":
      case "status":
        options.onMessage(message);
    }
  }

  function onExit(exitCode: number): void {
    worker = undefined;
    if (stopping.signal.aborted) return;
    logger.error({ exitCode, batches: onTheWay.length }, "the exporter of requests has ended: starting another");
    const lost = onTheWay.map(({ loss }) => loss);
    for (const { bytes } of onTheWay) options.onTaken(bytes);
    onTheWay = [];
    const nowMs = clock.now().getTime();
    const fromMs = Math.min(nowMs, ...lost.map((loss) => loss.fromMs));
    recordedBefore = { requests: (recordedBefore?.requests ?? 0) + posted, fromMs, toMs: nowMs };
    posted = 0;
    pauseMs = Math.min(longestPauseMs, Math.max(shortestPauseMs, pauseMs * 2));
    clock.sleep(pauseMs, stopping.signal).then(
      () => spawn(),
      () => undefined, // stopped
    );
  }

  function deliver(thread: Worker, message: ToExporter, transfer: readonly ArrayBuffer[]): void {
    const requests = message.type === "requests" ? message.rows : message.type === "lost" ? message.loss.requests : 0;
    posted += requests;
    thread.postMessage(message, [...transfer]);
  }

  function post(message: ToExporter, transfer: readonly ArrayBuffer[] = []): void {
    if (worker === undefined) waiting.push({ message, transfer });
    else deliver(worker, message, transfer);
  }

  function bear(): void {
    if (isBorn) return;
    isBorn = true;
    spawn();
  }

  return {
    get isBorn() {
      return isBorn;
    },
    bear,
    record: (requests) => {
      const { rows, fromMs, toMs, body } = requests;
      onTheWay.push({ loss: { requests: rows, fromMs, toMs }, bytes: body.byteLength });
      post(requests, [body]);
      bear();
    },
    post: (message) => {
      post(message);
      if (message.type === "lost") bear();
    },
    stop: async (deliverWithinMs, deadline) => {
      const thread = worker;
      if (thread !== undefined) {
        const ended = once(thread, "exit", { signal: deadline });
        thread.postMessage({ type: "stop", withinMs: deliverWithinMs } satisfies ToExporter, []);
        await ended.catch(() => undefined); // no time left
      }
      stopping.abort();
      await thread?.terminate();
    },
  };
}
