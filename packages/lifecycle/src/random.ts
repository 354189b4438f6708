import { randomInt } from "node:crypto";

/** Randomness, injected. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

const resolution = 2 ** 40;

export const cryptoRandom: Random = {
  next: () => randomInt(resolution) / resolution,
};

/**
 * Full-jitter backoff: uniform in [floor, min(cap, base * 2^attempt)]. The jitter comes after the cap, so that a long
 * outage does not end in a herd (design R13).
 */
export function fullJitterDelayMs(options: {
  /** 0 for the first retry. */
  readonly attempt: number;
  readonly baseMs: number;
  readonly capMs: number;
  readonly floorMs?: number;
  readonly random: Random;
}): number {
  const ceilingMs = Math.min(options.capMs, options.baseMs * 2 ** Math.min(options.attempt, 40));
  const floorMs = Math.min(options.floorMs ?? 0, ceilingMs);
  return floorMs + options.random.next() * (ceilingMs - floorMs);
}
