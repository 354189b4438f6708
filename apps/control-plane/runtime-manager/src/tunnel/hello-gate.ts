import { DrawbridgeError } from "@drawbridge/errors";
import type { Random } from "@drawbridge/lifecycle";

export interface HelloGate {
  /** @throws DrawbridgeError `TUNNEL_OVERLOADED` (unavailable, retry after) */
  enter<T>(open: () => Promise<T>): Promise<T>;
  /** From now on nobody enters. */
  close(): void;
}

/** Sessions that are being opened at once; each takes a database connection for a few milliseconds. */
const atOnce = 64;
const shortestRetryMs = 1_000;
const retrySpreadMs = 4_000;

/** The listener limits handshakes; this limits what follows them, so that a herd waits outside and not in the database's queue. */
export function createHelloGate(random: Random): HelloGate {
  let entered = 0;
  let isClosed = false;
  return {
    close: () => {
      isClosed = true;
    },
    enter: async (open) => {
      if (isClosed || entered >= atOnce) {
        throw new DrawbridgeError({
          kind: "unavailable",
          code: "TUNNEL_OVERLOADED",
          message: isClosed ? "this replica is stopping; try another" : "too many agents are connecting; try again",
          retryAfterMs: Math.round(shortestRetryMs + retrySpreadMs * random.next()),
        });
      }
      entered += 1;
      try {
        return await open();
      } finally {
        entered -= 1;
      }
    },
  };
}
