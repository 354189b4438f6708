import { setTimeout as sleep } from "node:timers/promises";

/** Time, injected, so that tests decide what time it is. */
export interface Clock {
  /** Wall-clock time; may jump. For instants that are stored or sent. */
  now(): Date;
  /** Milliseconds since an arbitrary start; never jumps backwards. For durations and deadlines. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** setTimeout fires at once above this (2^31-1 ms, Node.js timers documentation). */
const longestTimerMs = 2_147_483_647;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
  async sleep(ms, signal) {
    let leftMs = Math.max(0, ms);
    do {
      const stepMs = Math.min(leftMs, longestTimerMs);
      try {
        await sleep(stepMs, undefined, signal ? { signal } : {});
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
      leftMs -= stepMs;
    } while (leftMs > 0);
  },
};
