/** Allows `ratePerSecond` on average and `burst` at once. */
export interface TokenBucket {
  /** Take one; false when none is left. `nowMs` is monotonic time and never goes back. */
  take(nowMs: number): boolean;
  /** Milliseconds until the next one. */
  waitMs(nowMs: number): number;
}

export function createTokenBucket(options: { readonly ratePerSecond: number; readonly burst: number }): TokenBucket {
  let level = options.burst;
  let updatedMs: number | undefined;
  function refill(nowMs: number): void {
    const elapsedMs = updatedMs === undefined ? 0 : Math.max(0, nowMs - updatedMs);
    level = Math.min(options.burst, level + (elapsedMs / 1000) * options.ratePerSecond);
    updatedMs = nowMs;
  }
  return {
    take: (nowMs) => {
      refill(nowMs);
      if (level < 1) return false;
      level -= 1;
      return true;
    },
    waitMs: (nowMs) => {
      refill(nowMs);
      return level >= 1 ? 0 : Math.ceil(((1 - level) / options.ratePerSecond) * 1000);
    },
  };
}

/** Limits of a listener (design R14). A socket above them is closed before any cryptography is done for it. */
export interface AdmissionLimits {
  /** Default 150, a burst of the same size. */
  readonly handshakesPerSecond?: number;
  /** Handshakes that are not finished. Default 64. */
  readonly concurrentHandshakes?: number;
  /** Connections altogether. Default 20,000. */
  readonly connections?: number;
}

export type AdmissionRefusal = "rate" | "concurrency" | "connections";

/** Decides who may begin a TLS handshake. */
export interface Admission {
  /** "admitted", or why not. Every admitted socket calls `handshakeEnded` and `connectionEnded` once. */
  admit(nowMs: number): "admitted" | AdmissionRefusal;
  handshakeEnded(): void;
  connectionEnded(): void;
  connections(): number;
}

export function createAdmission(limits: AdmissionLimits = {}): Admission {
  const rate = limits.handshakesPerSecond ?? 150;
  const bucket = createTokenBucket({ ratePerSecond: rate, burst: rate });
  const maxHandshakes = limits.concurrentHandshakes ?? 64;
  const maxConnections = limits.connections ?? 20_000;
  let handshakes = 0;
  let connections = 0;
  return {
    admit: (nowMs) => {
      if (connections >= maxConnections) return "connections";
      if (handshakes >= maxHandshakes) return "concurrency";
      if (!bucket.take(nowMs)) return "rate";
      handshakes += 1;
      connections += 1;
      return "admitted";
    },
    handshakeEnded: () => {
      handshakes -= 1;
    },
    connectionEnded: () => {
      connections -= 1;
    },
    connections: () => connections,
  };
}
