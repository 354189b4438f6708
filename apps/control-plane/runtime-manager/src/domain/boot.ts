/** A process of an agent that another one has taken the place of. */
export interface SupersededBoot {
  readonly bootId: string;
  /** When the other one took over; undefined in older records. */
  readonly at: Date | undefined;
  /** When it came back and was refused; undefined until then. */
  readonly toldAt: Date | undefined;
}

export type BootVerdict =
  /** The process that speaks for the agent already: a reconnect, or the second tunnel of a make-before-break. */
  | { readonly verdict: "same" }
  /** A process that was never seen: it takes over. */
  | { readonly verdict: "next"; readonly superseded: readonly SupersededBoot[] }
  /** One that was taken over from, and may not know it yet: refused, told to wait. */
  | { readonly verdict: "told"; readonly superseded: readonly SupersededBoot[]; readonly retryAfterMs: number }
  /** A process that was never seen, after too many others: it comes later. */
  | { readonly verdict: "too_many"; readonly retryAfterMs: number }
  /** One that was told, and is still alive when every ordered end would be over: two use one identity. */
  | { readonly verdict: "duplicate" };

/** Processes remembered per agent; one that comes back after so many others counts as new. */
export const mostRemembered = 256;
/**
 * So many new processes within so long: an agent that crashes at every start is slowed down, and a copy cannot make the
 * original forgotten before the original has come back twice.
 */
export const mostTakeOvers = 50;
export const takeOverWindowMs = 300_000;
const tooManyRetryMs = 60_000;
/** Somewhat later than the grace, so that a process that does as it is told comes back when it counts. */
const retrySlackMs = 1_000;

/**
 * Two processes with one identity: a clone of the disk, or a predecessor that is about to end? Nobody can tell at the first
 * sight, so a process that was taken over from is refused and told; only if the same process is back a grace time after
 * that, while its successor holds the identity, the two are proven to live side by side.
 *
 * - A restart never locks: the process before is gone and does not come back.
 * - A rolling update, or a pod that was replaced while its node was cut off, never locks: it is stopped within the grace
 *   after it is back.
 * - Make-before-break and reconnects never lock: it is the same process.
 * - A clone always locks: of two that live on, the one that was taken over from comes back, is told, and comes back again.
 *   Also one that hides behind names of processes that never were: they are too few to push the original out in time.
 */
export function decideBoot(options: {
  readonly current: string;
  readonly superseded: readonly SupersededBoot[];
  readonly bootId: string;
  readonly now: Date;
  readonly graceMs: number;
}): BootVerdict {
  const { current, superseded, bootId, now, graceMs } = options;
  if (bootId === current) return { verdict: "same" };
  const known = superseded.find((boot) => boot.bootId === bootId);
  if (!known) {
    const since = now.getTime() - takeOverWindowMs;
    const recent = superseded.filter(({ at }) => at !== undefined && at.getTime() > since);
    if (recent.length >= mostTakeOvers) return { verdict: "too_many", retryAfterMs: tooManyRetryMs };
    const next = [{ bootId: current, at: now, toldAt: undefined }, ...superseded].slice(0, mostRemembered);
    return { verdict: "next", superseded: next };
  }
  const waitedMs = known.toldAt === undefined ? 0 : now.getTime() - known.toldAt.getTime();
  if (known.toldAt !== undefined && waitedMs >= graceMs) return { verdict: "duplicate" };
  return {
    verdict: "told",
    superseded: superseded.map((boot) =>
      boot === known ? { bootId, at: known.at, toldAt: known.toldAt ?? now } : boot,
    ),
    retryAfterMs: graceMs - waitedMs + retrySlackMs,
  };
}
