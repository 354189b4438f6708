/** Failures that are free, and how the delay grows after them. */
export interface ThrottlePolicy {
  /** Attempts that fail without a wait. */
  readonly freeAttempts: number;
  /** First wait; doubles with every further failure. */
  readonly baseMs: number;
  /** Longest wait. */
  readonly capMs: number;
  /** Without an attempt for so long everything is forgotten. */
  readonly forgetAfterMs: number;
  /** Keys remembered; the ones untouched for longest are dropped first. */
  readonly maxKeys: number;
}

interface Entry {
  readonly failures: number;
  readonly lastAttemptMs: number;
  readonly blockedUntilMs: number;
}

/** How long to wait after so many failures. */
export function throttleDelayMs(policy: ThrottlePolicy, failures: number): number {
  const beyond = failures - policy.freeAttempts;
  return beyond < 0 ? 0 : Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(beyond, 30));
}

/**
 * Slows down guessing. An attempt counts as failed from the moment it begins and is taken back when it succeeds, so that
 * many attempts at once gain nothing. Memory is bounded by `maxKeys`.
 */
export class LoginThrottle {
  readonly #policy: ThrottlePolicy;
  /** Oldest attempt first: Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry>();

  constructor(policy: ThrottlePolicy) {
    this.#policy = policy;
  }

  /** Begin an attempt for a key at a monotonic instant. Answers how long to wait; 0 lets the attempt go on. */
  begin(key: string, nowMs: number): number {
    const entry = this.#read(key, nowMs);
    if (entry.blockedUntilMs > nowMs) return entry.blockedUntilMs - nowMs;
    const failures = entry.failures + 1;
    this.#write(key, {
      failures,
      lastAttemptMs: nowMs,
      blockedUntilMs: nowMs + throttleDelayMs(this.#policy, failures),
    });
    return 0;
  }

  /** The attempt did not come to a decision, or came to a good one that says nothing about earlier ones: take it back. */
  undo(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    if (entry.failures <= 1) this.#entries.delete(key);
    else this.#entries.set(key, { ...entry, failures: entry.failures - 1, blockedUntilMs: 0 });
  }

  /** The attempt succeeded and earlier failures are forgiven. */
  forgive(key: string): void {
    this.#entries.delete(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  #read(key: string, nowMs: number): Entry {
    const entry = this.#entries.get(key);
    const isFresh = entry !== undefined && nowMs - entry.lastAttemptMs < this.#policy.forgetAfterMs;
    return isFresh ? entry : { failures: 0, lastAttemptMs: nowMs, blockedUntilMs: 0 };
  }

  #write(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#policy.maxKeys) return;
    const oldest = this.#entries.keys().next();
    if (!oldest.done) this.#entries.delete(oldest.value);
  }
}
