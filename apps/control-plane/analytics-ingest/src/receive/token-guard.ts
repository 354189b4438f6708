import type { AnalyticsGrant, GrantVerifier } from "@drawbridge/analytics-access";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { createTokenBucket, type Exchange, type TokenBucket } from "@drawbridge/rpc";

/** Finds out whose request it is, before its body is read. */
export interface TokenGuard {
  /**
   * @throws DrawbridgeError `ANALYTICS_TOKEN_INVALID` | `ANALYTICS_TOKEN_EXPIRED` (unauthenticated), `ANALYTICS_RATE_EXCEEDED`
   * (resource_exhausted)
   */
  authenticate(exchange: Pick<Exchange, "header" | "remoteAddress">): Promise<AnalyticsGrant>;
}

/**
 * A token that is not known takes signatures to be checked, about a millisecond. An address that shows bad ones may do so a few
 * times a second; above that, only tokens that are known to be good are looked at from there.
 */
const badTokens = { ratePerSecond: 2, burst: 20 };
const watchedAddresses = 10_000;

export function createTokenGuard(deps: {
  readonly verifier: GrantVerifier;
  readonly clock: Pick<Clock, "monotonicMs">;
}): TokenGuard {
  const { verifier, clock } = deps;
  /** By address; only of those that showed a bad one. */
  const buckets = new Map<string, TokenBucket>();

  function failed(address: string): void {
    const bucket = buckets.get(address) ?? createTokenBucket(badTokens);
    bucket.take(clock.monotonicMs());
    buckets.delete(address); // it is the youngest now
    buckets.set(address, bucket);
    for (const oldest of buckets.keys()) {
      if (buckets.size <= watchedAddresses) break;
      buckets.delete(oldest);
    }
  }

  return {
    authenticate: async ({ header, remoteAddress }) => {
      const token = bearerToken(header("authorization"));
      const waitMs = buckets.get(remoteAddress)?.waitMs(clock.monotonicMs()) ?? 0;
      if (waitMs > 0 && !verifier.isKnown(token)) throw tooMany(waitMs);
      try {
        return await verifier.verify(token);
      } catch (error) {
        failed(remoteAddress);
        throw error;
      }
    },
  };
}

/** RFC 6750 2.1. */
function bearerToken(authorization: string | undefined): string {
  const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? "")?.[1];
  if (token !== undefined) return token;
  throw new DrawbridgeError({
    kind: "unauthenticated",
    code: "ANALYTICS_TOKEN_INVALID",
    message: "no token was shown: send `Authorization: Bearer <token>`",
  });
}

function tooMany(retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "ANALYTICS_RATE_EXCEEDED",
    message: "too many tokens from this address were refused; wait, then try again",
    retryAfterMs,
  });
}
