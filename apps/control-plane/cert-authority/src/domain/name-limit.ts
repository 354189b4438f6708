import { DrawbridgeError } from "@drawbridge/errors";

/**
 * How many certificates one name of a fabric may get. Each one is in everybody's revocation list after the next was used,
 * so whoever renews without end fills the memory of every service.
 */
export interface NameLimit {
  /** In the life of a leaf: so many can be unexpired at once. */
  readonly certificates: number;
  readonly windowMs: number;
  /** Within the shorter window, so that a name that misbehaved is free again before its last certificate expires. */
  readonly burst: number;
  readonly burstWindowMs: number;
}

/** What a name has got in the two windows, and when the oldest of them was issued. */
export interface NameUse {
  readonly count: number;
  readonly oldest: Date;
  readonly burstCount: number;
  readonly burstOldest: Date | undefined;
}

/** The longest that anybody is told to wait: who asks again earlier than it is free is told again. */
const longestWaitMs = 3_600_000;
const shortestWaitMs = 1_000;

/** A drill renews by order as often as it likes, in lives of minutes. */
const drillFactor = 20;

/** A quarter of them within a 24th of the life: twelve in seven hours, if there are 48 in seven days. */
export function nameLimitOf(settings: {
  readonly certificates: number;
  readonly leafTtlSeconds: number;
  readonly leafTtlMode: "production" | "drill";
}): NameLimit {
  const windowMs = settings.leafTtlSeconds * 1_000;
  const certificates = settings.certificates * (settings.leafTtlMode === "drill" ? drillFactor : 1);
  return {
    certificates,
    windowMs,
    burst: Math.ceil(certificates / 4),
    burstWindowMs: windowMs / 24,
  };
}

/** How long until this name may get one more, being the `nth` in its group (0 the first); 0 if it may now. */
export function nameWaitMs(
  use: NameUse | undefined,
  nth: number,
  { limit, now }: { limit: NameLimit; now: Date },
): number {
  const { count = 0, burstCount = 0, oldest = now, burstOldest = now } = use ?? {};
  const freeAt = [
    ...(count + nth >= limit.certificates ? [oldest.getTime() + limit.windowMs] : []),
    ...(burstCount + nth >= limit.burst ? [burstOldest.getTime() + limit.burstWindowMs] : []),
  ];
  if (freeAt.length === 0) return 0;
  return Math.min(Math.max(Math.max(...freeAt) - now.getTime(), shortestWaitMs), longestWaitMs);
}

export function nameLimited(retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "ISSUE_NAME_LIMIT",
    message: "too many certificates were issued for this name; the ones it has stay valid, try again later",
    retryAfterMs,
  });
}

export interface LimitedNames {
  /** How long this name still has to wait, as far as this replica knows; 0 if it may ask. */
  waitMs(spiffeId: string): number;
  limit(spiffeId: string, waitMs: number): void;
}

const rememberedNames = 10_000;

/** Names that were refused, so that asking again and again costs no cryptography. The record decides; this forgets. */
export function createLimitedNames(clock: { monotonicMs(): number }): LimitedNames {
  const freeAtMs = new Map<string, number>();
  return {
    waitMs: (spiffeId) => {
      const waitMs = (freeAtMs.get(spiffeId) ?? 0) - clock.monotonicMs();
      if (waitMs > 0) return waitMs;
      freeAtMs.delete(spiffeId);
      return 0;
    },
    limit: (spiffeId, waitMs) => {
      const [eldest] = freeAtMs.keys();
      if (freeAtMs.size >= rememberedNames && eldest !== undefined) freeAtMs.delete(eldest);
      freeAtMs.set(spiffeId, clock.monotonicMs() + waitMs);
    },
  };
}
