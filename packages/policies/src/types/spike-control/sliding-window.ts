import type { SharedCounters } from "../../counters/shared-counters.ts";

export interface SlidingVerdict {
  readonly isAllowed: boolean;
  readonly remaining: number;
  readonly resetMs: number;
}

/**
 * A window that slides, by two counts: what was allowed in the last period, weighted by how much of it the window still
 * covers, plus what was allowed in this one, is never above `requests`. It takes the last period's requests as evenly spread,
 * so in the worst case (all of them at its end) a window sees up to twice as many; over any longer time the rate holds.
 */
export function createSlidingWindow({
  name,
  requests,
  periodMs,
  counters,
}: {
  readonly name: string;
  readonly requests: number;
  readonly periodMs: number;
  readonly counters: SharedCounters;
}): { readonly take: (nowMs: number) => SlidingVerdict } {
  const counter = counters.counter(`${name}/${periodMs}ms`);
  const subject = "*";
  return {
    take(nowMs) {
      const window = Math.floor(nowMs / periodMs);
      const elapsedMs = nowMs - window * periodMs;
      const covered = 1 - elapsedMs / periodMs;
      const room = Math.floor(requests - counter.read(subject, window - 1) * covered);
      // Read for one period more, as the last one.
      const { isAllowed, count } = counter.take(subject, window, room, (window + 2) * periodMs);
      return { isAllowed, remaining: isAllowed ? room - count : 0, resetMs: periodMs - elapsedMs };
    },
  };
}
