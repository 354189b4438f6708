import { DrawbridgeError } from "@drawbridge/errors";

export interface AdmissionOptions {
  /** What is being limited, for the message: "queries". */
  readonly what: string;
  readonly concurrent: number;
  /** How many may wait for a place. */
  readonly waiting: number;
}

/** Gives a place back; any call after the first does nothing. */
export type Release = () => void;

/** A bounded number of places with a bounded, fair queue before them. */
export interface Admission {
  /** @throws DrawbridgeError `COLUMNAR_OVERLOADED` at once when the queue is full; the signal's reason when it aborts. */
  enter(signal?: AbortSignal): Promise<Release>;
  readonly busy: number;
  readonly waiting: number;
}

const retryAfterMs = 1_000;

export function createAdmission({ what, concurrent, waiting: mayWait }: AdmissionOptions): Admission {
  const queue: { admit(): void }[] = [];
  let busy = 0;

  function place(): Release {
    busy += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      busy -= 1;
      queue.shift()?.admit();
    };
  }

  return {
    get busy() {
      return busy;
    },
    get waiting() {
      return queue.length;
    },
    async enter(signal) {
      signal?.throwIfAborted();
      if (busy < concurrent) return place();
      if (queue.length >= mayWait) {
        throw new DrawbridgeError({
          kind: "resource_exhausted",
          code: "COLUMNAR_OVERLOADED",
          message: `${String(busy)} ${what} are under way and ${String(queue.length)} are waiting`,
          retryAfterMs,
        });
      }
      const admitted = Promise.withResolvers<Release>();
      const waiter = { admit: () => admitted.resolve(place()) };
      const leave = (): void => {
        const at = queue.indexOf(waiter);
        if (at < 0) return;
        queue.splice(at, 1);
        admitted.reject(signal?.reason);
      };
      queue.push(waiter);
      signal?.addEventListener("abort", leave, { once: true });
      try {
        return await admitted.promise;
      } finally {
        signal?.removeEventListener("abort", leave);
      }
    },
  };
}
