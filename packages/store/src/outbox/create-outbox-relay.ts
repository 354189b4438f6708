import {
  cryptoRandom,
  fullJitterDelayMs,
  type Clock,
  type Component,
  type HealthCheck,
  type Random,
} from "@drawbridge/lifecycle";
import type { Store } from "../open-store.ts";
import type { StoreLogger } from "../store-logger.ts";
import { meansBusAway, relayBatch, type BatchResult, type PublishOutboxEvent } from "./relay-batch.ts";
import { createScopeHold } from "./scope-hold.ts";

export interface OutboxRelayOptions<DB> {
  readonly store: Pick<Store<DB>, "schema" | "transaction" | "onEventsCommitted">;
  /** Must resolve only when the stream has acknowledged the event, and be safe to repeat (`Nats-Msg-Id`). */
  readonly publish: PublishOutboxEvent;
  readonly clock: Clock;
  readonly logger: StoreLogger;
  readonly random?: Random;
  /** How soon events are found that another replica left behind. Default 500 ms. */
  readonly pollMs?: number;
  /** Default 128. */
  readonly batchSize?: number;
}

export interface OutboxRelay extends Component {
  /** Look at the outbox now. The store asks for it after each commit with events. */
  wake(): void;
  readonly health: HealthCheck;
}

/** What to do after a pass. A wake-up ends only a wait for work: during a failure it would become a storm. */
type Next = { readonly waitMs: number; readonly endsBy: "wake" | "time" };

const busyRetryMs = 50;
const retryBaseMs = 100;
const retryCapMs = 5_000;

/**
 * Publishes the outbox: at once after a commit of this process, within `pollMs` for what others left. Outlives outages
 * of the database and of the bus; logs when one begins and when it ends.
 */
export function createOutboxRelay<DB>(options: OutboxRelayOptions<DB>): OutboxRelay {
  const { clock, logger } = options;
  const random = options.random ?? cryptoRandom;
  const batchSize = options.batchSize ?? 128;
  const stopping = new AbortController();
  const hold = createScopeHold({ clock, random, logger });
  let running: Promise<void> = Promise.resolve();
  let wakeUp: AbortController | undefined;
  let isWoken = false;
  let failedAttempts = 0;
  let stalledSince: Date | undefined;

  async function pass(): Promise<Next> {
    isWoken = false;
    try {
      const skipScopes = hold.heldScopes();
      const result = await relayBatch(options.store, { publish: options.publish, batchSize, skipScopes });
      return afterBatch(result);
    } catch (error) {
      return afterStall(error); // the database
    }
  }

  function afterBatch(result: BatchResult): Next {
    if (result.outcome === "busy") return { waitMs: busyRetryMs, endsBy: "time" };
    for (const [scope, error] of result.failures) {
      if (meansBusAway(error)) return afterStall(error);
      hold.failed(scope, error);
    }
    if (stalledSince !== undefined) {
      logger.info({ outageMs: clock.now().getTime() - stalledSince.getTime() }, "events are relayed again");
    }
    stalledSince = undefined;
    failedAttempts = 0;
    if (result.isFull) return { waitMs: 0, endsBy: "wake" };
    return { waitMs: options.pollMs ?? 500, endsBy: "wake" };
  }

  function afterStall(error: unknown): Next {
    if (stalledSince === undefined && !stopping.signal.aborted) {
      stalledSince = clock.now();
      logger.warn({ err: error }, "events cannot be relayed, will retry");
    }
    const waitMs = fullJitterDelayMs({
      attempt: failedAttempts,
      baseMs: retryBaseMs,
      capMs: retryCapMs,
      floorMs: 50,
      random,
    });
    failedAttempts += 1;
    return { waitMs, endsBy: "time" };
  }

  async function wait(next: Next): Promise<void> {
    if (next.waitMs === 0 || (next.endsBy === "wake" && isWoken)) return;
    wakeUp = next.endsBy === "wake" ? new AbortController() : undefined;
    const signal = wakeUp ? AbortSignal.any([stopping.signal, wakeUp.signal]) : stopping.signal;
    await clock.sleep(next.waitMs, signal).catch(() => undefined); // woken or stopped
    wakeUp = undefined;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) await wait(await pass());
  }

  const relay: OutboxRelay = {
    name: "outbox relay",
    wake: () => {
      isWoken = true;
      wakeUp?.abort(new Error("woken"));
    },
    health: () =>
      stalledSince === undefined ? undefined : `events are not relayed since ${stalledSince.toISOString()}`,
    start: () => {
      options.store.onEventsCommitted(() => relay.wake());
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("outbox relay is stopping"));
      await running;
    },
  };
  return relay;
}
