import type { Clock } from "./clock.ts";

export interface PastTime {
  /** Compare the clocks. True: the wall clock was set back since it was furthest ahead, what was decided by it may be wrong. */
  look(): boolean;
  /** What expired before this instant has expired, also if the wall clock was just set forward by mistake. */
  readonly now: Date;
}

/** Less is the steady correction by NTP. */
const setBackMs = 60_000;
/** After a step forward the wall clock is followed at this speed: a day of error costs a day to be believed. */
const catchUpSpeed = 2;

/**
 * The wall clock for what cannot be undone. It may be days ahead by mistake, and what was thrown away then would be missed
 * when it is right again. A step forward that is right, as after the machine was suspended, costs memory for a while.
 */
export function createPastTime(clock: Pick<Clock, "now" | "monotonicMs">): PastTime {
  let pastMs = clock.now().getTime();
  let seenAtMs = clock.monotonicMs();
  let furthestMs = pastMs - seenAtMs;
  return {
    look: () => {
      const wallMs = clock.now().getTime();
      const monotonicMs = clock.monotonicMs();
      pastMs = Math.min(wallMs, pastMs + catchUpSpeed * (monotonicMs - seenAtMs));
      seenAtMs = monotonicMs;
      const aheadMs = wallMs - monotonicMs;
      const isSetBack = furthestMs - aheadMs > setBackMs;
      furthestMs = isSetBack ? aheadMs : Math.max(furthestMs, aheadMs);
      return isSetBack;
    },
    get now() {
      return new Date(pastMs);
    },
  };
}
