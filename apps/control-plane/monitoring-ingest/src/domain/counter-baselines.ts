/** Where a cumulative counter stood when it was last heard of. */
export interface Baseline {
  readonly startMs: number;
  readonly timeMs: number;
  readonly value: number;
  readonly count: number;
}

/** What a counter has counted since it was last heard of, and in which time. */
export interface Increment {
  readonly value: number;
  readonly count: number;
  /** 0 where that is not known. */
  readonly intervalMs: number;
}

export type CounterStep =
  | { readonly outcome: "counted"; readonly increment: Increment }
  /** The first that is heard of an old counter: nobody knows when it counted what it has. */
  | { readonly outcome: "first" }
  /** It was heard of at that time already, or later. */
  | { readonly outcome: "stale" };

/** A counter that began so shortly before its first point is counted whole: it belongs to a process that just started. */
const youngMs = 10 * 60_000;

/**
 * What a cumulative counter has counted since `before` (OpenTelemetry data model, "Resets and gaps"): it began anew when
 * its start moved, or when it is smaller than it was, and has counted its whole value since then.
 */
export function countSince(before: Baseline | undefined, now: Baseline): CounterStep {
  if (before === undefined) {
    const intervalMs = now.timeMs - now.startMs;
    if (now.startMs === 0 || intervalMs > youngMs) return { outcome: "first" };
    return counted(now, intervalMs);
  }
  if (now.timeMs <= before.timeMs) return { outcome: "stale" };
  const hasMoved = now.startMs > before.timeMs;
  if (hasMoved || now.value < before.value || now.count < before.count) {
    return counted(now, now.timeMs - (hasMoved ? now.startMs : before.timeMs));
  }
  const since = { value: now.value - before.value, count: now.count - before.count };
  return counted(since, now.timeMs - before.timeMs);
}

function counted(
  { value, count }: { readonly value: number; readonly count: number },
  intervalMs: number,
): CounterStep {
  return { outcome: "counted", increment: { value, count, intervalMs } };
}
