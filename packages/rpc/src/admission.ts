import type { Clock } from "@drawbridge/lifecycle";

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
  /**
   * Sockets that stand in line for their handshake instead of being refused. Default 0. A herd that waits costs a socket
   * each; one that is refused comes back again and again, and later each time.
   */
  readonly waiting?: number;
}

export type AdmissionRefusal = "rate" | "concurrency" | "connections" | "waited";

/** A socket that was accepted. One of the two is called once: at once, or when its turn comes. */
export interface Arrival {
  /** `handshakeEnded` and `connectionEnded` follow. */
  readonly begin: () => void;
  /** Nothing follows. */
  readonly refuse: (reason: AdmissionRefusal) => void;
}

/** Decides who may begin a TLS handshake, and when. */
export interface Admission {
  arrive(arrival: Arrival): void;
  handshakeEnded(): void;
  connectionEnded(): void;
  /** Those that began and did not end. */
  connections(): number;
  /** From now on nobody begins; answers who stood in line. */
  close(): readonly Arrival[];
}

/** Who waited for longer has hung up, or is about to: agents wait 15 s for a handshake. */
const longestWaitMs = 10_000;

export function createAdmission(limits: AdmissionLimits, clock: Pick<Clock, "monotonicMs" | "sleep">): Admission {
  const rate = limits.handshakesPerSecond ?? 150;
  const bucket = createTokenBucket({ ratePerSecond: rate, burst: rate });
  const maxHandshakes = limits.concurrentHandshakes ?? 64;
  const maxConnections = limits.connections ?? 20_000;
  const maxWaiting = limits.waiting ?? 0;
  const waiting: (Arrival & { readonly sinceMs: number })[] = [];
  let handshakes = 0;
  let connections = 0;
  let isWaking = false;

  /** Counts one more that begins, or says what is in the way. */
  function take(): "taken" | AdmissionRefusal {
    if (connections >= maxConnections) return "connections";
    if (handshakes >= maxHandshakes) return "concurrency";
    if (!bucket.take(clock.monotonicMs())) return "rate";
    handshakes += 1;
    connections += 1;
    return "taken";
  }

  function callNext(): void {
    for (let next = waiting[0]; next; next = waiting[0]) {
      if (clock.monotonicMs() - next.sinceMs > longestWaitMs) {
        waiting.shift();
        next.refuse("waited");
        continue;
      }
      const verdict = take();
      if (verdict === "rate") wakeUp();
      if (verdict !== "taken") return; // the end of a handshake or of a connection calls the next one
      waiting.shift();
      next.begin();
    }
  }

  function wakeUp(): void {
    if (isWaking) return;
    isWaking = true;
    void clock.sleep(bucket.waitMs(clock.monotonicMs())).then(() => {
      isWaking = false;
      callNext();
    });
  }

  return {
    arrive: (arrival) => {
      const verdict = waiting.length > 0 ? "rate" : take(); // nobody overtakes
      if (verdict === "taken") {
        arrival.begin();
        return;
      }
      if (verdict === "connections" || waiting.length >= maxWaiting) {
        arrival.refuse(verdict);
        return;
      }
      waiting.push({ ...arrival, sinceMs: clock.monotonicMs() });
      if (verdict === "rate") wakeUp();
    },
    handshakeEnded: () => {
      handshakes -= 1;
      callNext();
    },
    connectionEnded: () => {
      connections -= 1;
      callNext();
    },
    connections: () => connections,
    close: () => waiting.splice(0),
  };
}
