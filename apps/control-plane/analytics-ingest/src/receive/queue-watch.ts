import type { QueueUsage, WorkQueue } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component, type HealthCheck } from "@drawbridge/lifecycle";
import type { Logger, Metrics } from "@drawbridge/telemetry";

/** Whether there is room for what comes in. */
export interface QueueWatch extends Component {
  /** @throws DrawbridgeError (unavailable) `ANALYTICS_QUEUE_UNAVAILABLE` | `ANALYTICS_QUEUE_FULL` */
  assertOpen(): void;
  /** Milliseconds that gateways should wait between two batches: the fuller it is, the longer. */
  minFlushMs(): number;
  readonly health: HealthCheck;
}

const lookIntervalMs = 1_000;
/** Above this nothing is taken: what was published but is not counted yet must fit as well. */
const fullAt = 0.8;
const retryFullMs = 15_000;
const retryAwayMs = 3_000;

export function createQueueWatch(deps: {
  readonly queue: Pick<WorkQueue, "usage">;
  readonly bus: { readonly health: HealthCheck };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}): QueueWatch {
  const { logger } = deps;
  let usage: QueueUsage | undefined;
  let isFull = false;
  const fill = (): number => (usage?.maxBytes === undefined ? 0 : usage.bytes / usage.maxBytes);

  const loop = createLoop({
    name: "queue watch",
    clock: deps.clock,
    intervalMs: lookIntervalMs,
    pass: async () => {
      usage = await deps.queue.usage();
      const wasFull = isFull;
      isFull = fill() > fullAt;
      if (isFull && !wasFull) logger.warn({ ...usage }, "the queue of batches is full, gateways have to wait");
      if (!isFull && wasFull) logger.info({ ...usage }, "the queue of batches takes again");
    },
    onError: () => {
      usage = undefined; // the bus says what is wrong
    },
  });
  deps.metrics.gauge("queue_messages", { description: "batches that wait to be stored" }, () => usage?.messages ?? 0);
  deps.metrics.gauge("queue_bytes", { description: "their size", unit: "By" }, () => usage?.bytes ?? 0);

  return {
    ...loop,
    assertOpen: () => {
      if (usage === undefined || deps.bus.health() !== undefined) throw queueAway();
      if (isFull) throw queueFull();
    },
    minFlushMs: () => {
      if (fill() < 0.4) return 0;
      return fill() < 0.6 ? 5_000 : 15_000;
    },
    health: () => {
      if (usage === undefined) return "the queue of batches cannot be looked at: gateways have to wait";
      return isFull ? "the queue of batches is full: what stores them is away or too slow" : undefined;
    },
  };
}

/** Also where a publication failed. */
export function queueAway(cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ANALYTICS_QUEUE_UNAVAILABLE",
    message: "batches cannot be taken at the moment; send it again",
    retryAfterMs: retryAwayMs,
    cause,
  });
}

export function queueFull(cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ANALYTICS_QUEUE_FULL",
    message: "more batches wait than there is room for; send it again later",
    retryAfterMs: retryFullMs,
    cause,
  });
}
