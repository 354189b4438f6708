import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { LoginThrottle, type ThrottlePolicy } from "../domain/login-throttle.ts";

/**
 * Per user name: five free attempts, then 1, 2, 4 … 60 s. The cap is low so that a stranger who guesses cannot lock a user
 * out for long; at 60 s per guess, guessing a password of twelve characters is hopeless all the same.
 */
const perUser: ThrottlePolicy = {
  freeAttempts: 5,
  baseMs: 1_000,
  capMs: 60_000,
  forgetAfterMs: 3_600_000,
  maxKeys: 10_000,
};
/** Per address, behind which many users may sit. */
const perAddress: ThrottlePolicy = { ...perUser, freeAttempts: 20, capMs: 300_000 };

/** Lets password checks through at a bounded pace. */
export interface LoginGate {
  /**
   * Run `check`; it answers undefined when the password is wrong.
   * @throws DrawbridgeError `LOGIN_THROTTLED` (resource_exhausted, with the wait) without running it | `LOGIN_FAILED` (unauthenticated)
   */
  pass<T>(
    attempt: { readonly username: string; readonly address: string },
    check: () => Promise<T | undefined>,
  ): Promise<T>;
}

export function createLoginGate({ clock }: { readonly clock: Pick<Clock, "monotonicMs"> }): LoginGate {
  const users = new LoginThrottle(perUser);
  const addresses = new LoginThrottle(perAddress);

  function admit(username: string, address: string): void {
    const nowMs = clock.monotonicMs();
    const waitForAddressMs = addresses.begin(address, nowMs);
    if (waitForAddressMs > 0) throw throttled(waitForAddressMs, "from this address");
    const waitForUserMs = users.begin(username, nowMs);
    if (waitForUserMs === 0) return;
    addresses.undo(address);
    throw throttled(waitForUserMs, "of this user");
  }

  return {
    pass: async ({ username, address }, check) => {
      admit(username, address);
      let result;
      try {
        result = await check();
      } catch (error) {
        users.undo(username); // no verdict: the database was away, or too many at once
        addresses.undo(address);
        throw error;
      }
      if (result === undefined) {
        throw new DrawbridgeError({
          kind: "unauthenticated",
          code: "LOGIN_FAILED",
          message: "the user name or the password is wrong",
        });
      }
      users.forgive(username);
      addresses.undo(address);
      return result;
    },
  };
}

function throttled(waitMs: number, whose: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "LOGIN_THROTTLED",
    message: `too many failed logins ${whose}; wait ${Math.ceil(waitMs / 1_000)} s and try again`,
    retryAfterMs: Math.ceil(waitMs),
  });
}
