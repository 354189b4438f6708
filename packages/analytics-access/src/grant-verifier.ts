import { createHash } from "node:crypto";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { AnalyticsGrant } from "./grant.ts";
import { assertInTime, verifyGrant } from "./verify-grant.ts";

/** Verifies tokens and remembers those that are good. */
export interface GrantVerifier {
  /**
   * The grant of a token: from memory when it was good before and its time has not run out.
   * @throws DrawbridgeError (unauthenticated) `ANALYTICS_TOKEN_INVALID` | `ANALYTICS_TOKEN_EXPIRED`
   */
  verify(token: string): Promise<AnalyticsGrant>;
  /** Whether `verify` answers from memory, without a look at a signature. */
  isKnown(token: string): boolean;
}

/** One per fabric and hour, so room for ten thousand fabrics and a hand-over. */
const defaultRemembered = 20_000;

/**
 * Invariants: only what was verified under the bundle in use is remembered, by the SHA-256 of the token, never the token;
 * what is remembered is still checked against the clock; a refusal is not remembered.
 */
export function createGrantVerifier(options: {
  readonly trustBundle: () => TrustBundle;
  readonly clock: Pick<Clock, "now">;
  /** Grants in memory at most; the oldest gives way. Default 20,000. */
  readonly remembered?: number;
}): GrantVerifier {
  const { clock, remembered = defaultRemembered } = options;
  const known = new Map<string, AnalyticsGrant>();
  let bundle: TrustBundle | undefined;

  return {
    isKnown: (token) => options.trustBundle() === bundle && known.has(keyOf(token)),
    verify: async (token) => {
      const trustBundle = options.trustBundle();
      if (trustBundle !== bundle) {
        known.clear();
        bundle = trustBundle;
      }
      const key = keyOf(token);
      const before = known.get(key);
      if (before !== undefined) {
        assertInTime(before, clock.now());
        return before;
      }
      const grant = await verifyGrant({ token, trustBundle, now: clock.now() });
      if (bundle !== trustBundle) return grant; // verified under roots that are not the ones in use any more
      known.set(key, grant);
      for (const oldest of known.keys()) {
        if (known.size <= remembered) break;
        known.delete(oldest);
      }
      return grant;
    },
  };
}

function keyOf(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
