import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";

/** What cert-authority knows of a certificate. */
export type CertificateStanding = "good" | "revoked" | "unknown";

export interface PeerStanding {
  /**
   * Let a certificate pass or not.
   * @throws DrawbridgeError `CERTIFICATE_REVOKED` | `CERTIFICATE_UNKNOWN` (unauthenticated), and what `ask` throws (unavailable)
   */
  assertGood(serialNumber: string, signal: AbortSignal): Promise<void>;
  /** From now on revoked, whatever was asked before. */
  revoke(serialNumber: string): void;
}

/** How long an answer holds (design R9): a revocation that nobody announced is felt after this time at the latest. */
export const standingTtlMs = 30_000;
const maxCached = 100_000;

export function createPeerStanding(deps: {
  readonly ask: (serialNumber: string, signal: AbortSignal) => Promise<CertificateStanding>;
  readonly clock: Pick<Clock, "monotonicMs">;
}): PeerStanding {
  const goodUntilMs = new Map<string, number>();
  /** Revocation is for ever; certificates live for days, so this stays small. */
  const revoked = new Set<string>();

  return {
    assertGood: async (serialNumber, signal) => {
      if (revoked.has(serialNumber)) throw certificateRevoked();
      const nowMs = deps.clock.monotonicMs();
      if ((goodUntilMs.get(serialNumber) ?? 0) > nowMs) return;
      const standing = await deps.ask(serialNumber, signal);
      goodUntilMs.delete(serialNumber);
      if (standing === "unknown") throw certificateUnknown();
      // While the question was under way the answer may have come from elsewhere.
      if (standing === "revoked" || revoked.has(serialNumber)) throw certificateRevoked();
      for (const [oldest, untilMs] of goodUntilMs) {
        if (untilMs > nowMs && goodUntilMs.size < maxCached) break;
        goodUntilMs.delete(oldest);
      }
      goodUntilMs.set(serialNumber, nowMs + standingTtlMs);
    },
    revoke: (serialNumber) => {
      goodUntilMs.delete(serialNumber);
      revoked.add(serialNumber);
      const oldest = revoked.values().next();
      if (revoked.size > maxCached && !oldest.done) revoked.delete(oldest.value); // cert-authority still knows it
    },
  };
}

function certificateRevoked(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "CERTIFICATE_REVOKED",
    message: "the client certificate was revoked; activate the fabric again",
  });
}

function certificateUnknown(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "CERTIFICATE_UNKNOWN",
    message: "the client certificate is not on record at the certificate authority",
  });
}
