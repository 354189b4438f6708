import { DrawbridgeError } from "@drawbridge/errors";
import type { PeerIdentity } from "@drawbridge/pki";
import type { ShownCertificate } from "./revoked-certificates.ts";

/** What a listener needs of the revocation list. */
export interface RevocationCheck {
  /** False until the list was read once: nobody may be let in before. */
  readonly isLoaded: boolean;
  /** Why this certificate is refused; undefined if it was not revoked. */
  refusal(certificate: ShownCertificate): { readonly reason: string } | undefined;
  /** Called once for each lot of revocations that is news. Answers how to end that. */
  onRevoked(listener: () => void): () => void;
}

export function isRevoked(revocations: RevocationCheck | undefined, peer: PeerIdentity | undefined): boolean {
  return peer !== undefined && revocations?.refusal(peer) !== undefined;
}

/**
 * @throws DrawbridgeError `CERTIFICATE_REVOKED` (permission_denied) with details { reason, serialNumber }
 */
export function assertNotRevoked(revocations: RevocationCheck | undefined, peer: PeerIdentity | undefined): void {
  const refusal = peer && revocations?.refusal(peer);
  if (!refusal) return;
  throw new DrawbridgeError({
    kind: "permission_denied",
    code: "CERTIFICATE_REVOKED",
    message: "the client certificate was revoked",
    details: { reason: refusal.reason, serialNumber: peer.serialNumber },
  });
}
