import { isIPv6 } from "node:net";
import { plainAddress } from "@drawbridge/config";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { createTokenBucket, type TokenBucket } from "@drawbridge/rpc";

export interface ActivationLimits {
  readonly perAddressPerSecond: number;
  readonly perAddressBurst: number;
  readonly globalPerSecond: number;
}

/** Refuses callers that ask too often; asked before anything else is done for them. */
export interface ActivationLimiter {
  /** @throws DrawbridgeError `ACTIVATION_RATE_LIMITED` | `RECOVERY_RATE_LIMITED` (resource_exhausted) */
  admit(remoteAddress: string): void;
}

/** Addresses remembered; the one not seen for longest is forgotten first, so that many addresses cost no memory. */
const maxAddresses = 10_000;

/** One bucket per address, then one for all (design R14): a single address cannot use up what others need. */
export function createActivationLimiter(
  limits: ActivationLimits,
  clock: Pick<Clock, "monotonicMs">,
  what: "activation" | "recovery" = "activation",
): ActivationLimiter {
  const global = createTokenBucket({ ratePerSecond: limits.globalPerSecond, burst: limits.globalPerSecond });
  const byAddress = new Map<string, TokenBucket>();

  function bucketOf(address: string): TokenBucket {
    const key = sourceOf(address);
    const bucket =
      byAddress.get(key) ??
      createTokenBucket({ ratePerSecond: limits.perAddressPerSecond, burst: limits.perAddressBurst });
    byAddress.delete(key);
    byAddress.set(key, bucket); // last in the order of insertion
    const [oldest] = byAddress.keys();
    if (byAddress.size > maxAddresses && oldest !== undefined) byAddress.delete(oldest);
    return bucket;
  }

  return {
    admit: (remoteAddress) => {
      const nowMs = clock.monotonicMs();
      for (const bucket of [bucketOf(remoteAddress), global]) {
        if (!bucket.take(nowMs)) throw rateLimited(what, bucket.waitMs(nowMs));
      }
    },
  };
}

/** IPv4 as it is; of IPv6 the first 64 bits, which is what one customer gets (RFC 6177). */
function sourceOf(remoteAddress: string): string {
  const address = plainAddress(remoteAddress);
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    while (groups.length + last.length < 8) groups.push("0");
    groups.push(...last);
  }
  return groups.slice(0, 4).join(":");
}

function rateLimited(what: "activation" | "recovery", retryAfterMs: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: what === "activation" ? "ACTIVATION_RATE_LIMITED" : "RECOVERY_RATE_LIMITED",
    message: `too many ${what === "activation" ? "activations" : "recoveries"} at once; try again a little later`,
    retryAfterMs: Math.max(retryAfterMs, 100),
  });
}
