/** How far a fabric's clock is off, and how much that matters (design R21). */
export const clockStates = ["ok", "warn", "fail", "unknown"] as const;
export type ClockState = (typeof clockStates)[number];

/** "unknown" before the agent's first tunnel. */
export function clockStateOf(fabric: {
  readonly hasBeenSeen: boolean;
  readonly skewMs: number;
  readonly limits: { readonly warnSeconds: number; readonly failSeconds: number };
}): ClockState {
  if (!fabric.hasBeenSeen) return "unknown";
  const skewSeconds = Math.abs(fabric.skewMs) / 1_000;
  if (skewSeconds > fabric.limits.failSeconds) return "fail";
  return skewSeconds > fabric.limits.warnSeconds ? "warn" : "ok";
}

export const trustBundleStates = ["current", "behind", "none"] as const;
export type TrustBundleState = (typeof trustBundleStates)[number];

/** Whether a fabric has acknowledged the current trust bundle; "none" before its first tunnel. */
export function trustBundleStateOf(sequences: {
  readonly acknowledged: bigint;
  readonly current: bigint;
}): TrustBundleState {
  if (sequences.acknowledged === 0n) return "none";
  return sequences.acknowledged < sequences.current ? "behind" : "current";
}

/** What an operator can do about a lock; `reason` as runtime-manager gives it. */
export function lockRemedy(reason: string, fabric: string): string {
  const recover = `drawbridge fabric recover ${fabric}`;
  switch (reason) {
    case "DUPLICATE_AGENT":
      return `Two processes used this identity at once. Stop the one that should not be there, then run "${recover} --allow"; if the other one had renewed the certificate meanwhile, this one is locked again, now with STALE_JOIN_STATE: then "${recover} --allow --accept-any-join-state" brings it back; if a disk may be in strange hands, run "${recover} --new-token" instead, which makes both copies worthless.`;
    case "STALE_JOIN_STATE":
      return `The agent's disk is older than what it has said before: it was restored from a backup, or copied. Make sure that only one copy runs, then run "${recover} --allow --accept-any-join-state"; if a copy may be in strange hands, run "${recover} --new-token" instead.`;
    default:
      return `Find out why, then run "${recover} --allow" to let it back, or "${recover} --new-token" to activate it anew.`;
  }
}
