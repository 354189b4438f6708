import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";

/** Time limits, of which few are ever reached: an entry in a list each, instead of a timer. */
export interface TimeLimits extends Component {
  /** `onLate` is called up to a quarter of a second after the time; not any more when what is returned was called. */
  add(limitMs: number, onLate: () => void): () => void;
}

const lookIntervalMs = 250;

export function createTimeLimits(clock: Clock): TimeLimits {
  const limits = new Set<{ readonly atMs: number; readonly onLate: () => void }>();
  const loop = createLoop({
    name: "time limits",
    clock,
    intervalMs: lookIntervalMs,
    pass: () => {
      const now = clock.monotonicMs();
      for (const limit of limits) {
        if (limit.atMs > now) continue;
        limits.delete(limit);
        limit.onLate();
      }
      return Promise.resolve();
    },
    onError: () => undefined, // what is late is ended, which throws nothing
  });
  return {
    ...loop,
    add: (limitMs, onLate) => {
      const limit = { atMs: clock.monotonicMs() + limitMs, onLate };
      limits.add(limit);
      return () => void limits.delete(limit);
    },
  };
}
