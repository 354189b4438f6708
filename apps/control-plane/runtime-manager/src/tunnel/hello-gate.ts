import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, Random } from "@drawbridge/lifecycle";

export interface HelloGate {
  /** @throws DrawbridgeError `TUNNEL_OVERLOADED` (unavailable, retry after) */
  enter<T>(open: () => Promise<T>): Promise<T>;
  /** Call `giveUp` unless the answer is called within the time that an agent has to say hello. */
  await(giveUp: () => void): () => void;
  /** Give up on those whose time has passed. */
  expire(nowMs: number): void;
  /** From now on nobody enters. */
  close(): void;
}

/** Sessions that are being opened at once, from hello to welcome. */
const atOnce = 256;
const shortestRetryMs = 1_000;
const retrySpreadMs = 4_000;
/** How long an agent may take to say who it is, once it is connected. */
const helloTimeoutMs = 10_000;

/**
 * The listener limits handshakes; this limits what follows them, so that a herd waits outside and not in the database's
 * queue. Deadlines are looked at by the replica's tick, because a timer per agent would cost more than all the rest.
 */
export function createHelloGate(deps: {
  readonly random: Random;
  readonly clock: Pick<Clock, "monotonicMs">;
}): HelloGate {
  const expected = new Set<{ readonly dueMs: number; readonly giveUp: () => void }>();
  let entered = 0;
  let isClosed = false;
  return {
    close: () => {
      isClosed = true;
    },
    await: (giveUp) => {
      const entry = { dueMs: deps.clock.monotonicMs() + helloTimeoutMs, giveUp };
      expected.add(entry);
      return () => expected.delete(entry);
    },
    expire: (nowMs) => {
      for (const entry of expected) {
        if (entry.dueMs > nowMs) break; // in order of arrival
        expected.delete(entry);
        entry.giveUp();
      }
    },
    enter: async (open) => {
      if (isClosed || entered >= atOnce) {
        throw new DrawbridgeError({
          kind: "unavailable",
          code: "TUNNEL_OVERLOADED",
          message: isClosed ? "this replica is stopping; try another" : "too many agents are connecting; try again",
          retryAfterMs: Math.round(shortestRetryMs + retrySpreadMs * deps.random.next()),
        });
      }
      entered += 1;
      try {
        return await open();
      } finally {
        entered -= 1;
      }
    },
  };
}
