import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { StoreLogger } from "./store-logger.ts";

/** Knows whether the database answers, and logs when an outage begins and when it ends: once each. */
export interface Availability {
  answered(): void;
  failed(error: unknown): void;
  /** Undefined while it answers, otherwise since when it does not. */
  missing(): string | undefined;
}

export function createAvailability(logger: StoreLogger, clock: Clock): Availability {
  let downSince: Date | undefined;
  let hasAnswered = false;
  return {
    answered: () => {
      hasAnswered = true;
      if (downSince === undefined) return;
      logger.info({ outageMs: clock.now().getTime() - downSince.getTime() }, "database answers again");
      downSince = undefined;
    },
    failed: (error) => {
      if (downSince !== undefined || !isDrawbridgeError(error, "STORE_UNAVAILABLE")) return;
      downSince = clock.now();
      logger.warn({ err: error }, "database does not answer, will retry");
    },
    missing: () => {
      if (downSince !== undefined) return `the database has not answered since ${downSince.toISOString()}`;
      return hasAnswered ? undefined : "the database has not answered yet";
    },
  };
}
