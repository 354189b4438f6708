import { DrawbridgeError } from "@drawbridge/errors";
import type { PeerIdentity } from "@drawbridge/pki";

/**
 * Who may call a method. "anyone": no identity asked (one-way TLS). "any-service": every control-plane service.
 * Matching is exact; what is not listed is refused.
 */
export type CallerPattern =
  | "anyone"
  | "any-service"
  | { readonly service: string }
  | { readonly fabric: "agent" | "collector" | "gateway" };

/**
 * Let a caller through or not, at `now`.
 * @throws DrawbridgeError `IDENTITY_REQUIRED` (unauthenticated) | `IDENTITY_EXPIRED` (unauthenticated) | `CALLER_NOT_ALLOWED` (permission_denied)
 */
export function assertAllowed(allow: readonly CallerPattern[], peer: PeerIdentity | undefined, now: Date): void {
  if (peer && now >= peer.notAfter) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "IDENTITY_EXPIRED",
      message: "the client certificate has expired; renew it and connect again",
    });
  }
  if (allow.includes("anyone")) return;
  if (!peer) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "IDENTITY_REQUIRED",
      message: "a client certificate is required",
    });
  }
  if (!allow.some((pattern) => matches(pattern, peer))) {
    throw new DrawbridgeError({
      kind: "permission_denied",
      code: "CALLER_NOT_ALLOWED",
      message: "this identity may not call this method",
    });
  }
}

function matches(pattern: CallerPattern, { identity }: PeerIdentity): boolean {
  if (pattern === "anyone") return true;
  if (pattern === "any-service") return identity.kind === "service";
  if ("service" in pattern) return identity.kind === "service" && identity.service === pattern.service;
  return identity.kind === pattern.fabric;
}
