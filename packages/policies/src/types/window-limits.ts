import type { Counter, SharedCounters } from "../counters/shared-counters.ts";
import type { LimitStanding } from "./limit-headers.ts";

/** A window of time in which so many requests are allowed. */
export interface WindowLimit {
  /** Of the counter; changes when the meaning of its windows does. */
  readonly name: string;
  readonly requests: number;
  /** Number of the window at that instant, and its end. */
  readonly windowAt: (nowMs: number) => { readonly window: number; readonly endsAtMs: number };
}

export interface LimitVerdict {
  readonly isAllowed: boolean;
  /** Against the limit that refused, else the one with the least left. */
  readonly standing: LimitStanding;
}

/** Windows of `periodMs` from 1970 on. */
export function fixedWindow(name: string, requests: number, periodMs: number): WindowLimit {
  return {
    // A number of a window means another time under another length.
    name: `${name}/${periodMs}ms`,
    requests,
    windowAt(nowMs) {
      const window = Math.floor(nowMs / periodMs);
      return { window, endsAtMs: (window + 1) * periodMs };
    },
  };
}

/** Clocks of threads agree; a request that was read before the window ended may be counted shortly after. */
const graceMs = 2_000;

/**
 * Limits that all hold, counted across all threads. With one limit, exactly as many requests pass as it says. With several,
 * each holds exactly; a request that one of them refuses is not counted by the others unless threads race.
 */
export function createLimiter(
  limits: readonly WindowLimit[],
  counters: SharedCounters,
): (subject: string, nowMs: number) => LimitVerdict {
  const counted = limits.map((limit) => ({ limit, counter: counters.counter(limit.name) }));
  const [first] = counted;
  if (first === undefined) throw new RangeError("a limiter needs a limit");
  if (counted.length === 1) return (subject, nowMs) => take(first, subject, nowMs);
  return (subject, nowMs) => {
    for (const one of counted) {
      const { window, endsAtMs } = one.limit.windowAt(nowMs);
      if (one.counter.read(subject, window) >= one.limit.requests) return refusal(one.limit, endsAtMs - nowMs);
    }
    let tightest: LimitStanding | undefined;
    for (const one of counted) {
      const { isAllowed, standing } = take(one, subject, nowMs);
      if (!isAllowed) return { isAllowed, standing };
      if (tightest === undefined || standing.remaining < tightest.remaining) tightest = standing;
    }
    // There is at least one limit, so the loop has set it.
    return { isAllowed: true, standing: tightest ?? { limit: 0, remaining: 0, resetMs: 0 } };
  };
}

function take(
  { limit, counter }: { readonly limit: WindowLimit; readonly counter: Counter },
  subject: string,
  nowMs: number,
): LimitVerdict {
  const { window, endsAtMs } = limit.windowAt(nowMs);
  const { isAllowed, count } = counter.take(subject, window, limit.requests, endsAtMs + graceMs);
  const resetMs = endsAtMs - nowMs;
  if (!isAllowed) return refusal(limit, resetMs);
  return { isAllowed, standing: { limit: limit.requests, remaining: limit.requests - count, resetMs } };
}

function refusal({ requests }: WindowLimit, resetMs: number): LimitVerdict {
  return { isAllowed: false, standing: { limit: requests, remaining: 0, resetMs } };
}
