const dayMs = 86_400_000;
/** Older than any spool keeps its batches: a clock that is wrong. */
const oldestMs = 7 * dayMs;
/** What clocks may differ by. */
const earlyMs = 5 * 60_000;

/**
 * The time of a request as it is stored. A gateway's clock that is wrong must not open hundreds of partitions, one for each day:
 * what cannot have been yet happened when it was received, what is too old happened as long ago as it may have.
 */
export function clampTimeMs(timeMs: number, receivedAtMs: number): number {
  if (timeMs > receivedAtMs + earlyMs) return receivedAtMs;
  return Math.max(timeMs, receivedAtMs - oldestMs);
}
