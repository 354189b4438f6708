import type { TLSSocket } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import type { SpiffeIdentity } from "./spiffe-id.ts";
import { nameOfLeaf, serialNumberOf } from "./verify-chain.ts";

/** Who is at the other end of a connection. */
export interface PeerIdentity {
  readonly spiffeId: string;
  readonly identity: SpiffeIdentity;
  /** Lower-case hex. */
  readonly serialNumber: string;
  readonly notAfter: Date;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprintSha256: string;
}

/**
 * The identity of a peer whose chain TLS has verified.
 * @throws DrawbridgeError (unauthenticated) `PEER_CERTIFICATE_MISSING` | `CERTIFICATE_NAME_INVALID`
 */
export function peerIdentity(socket: TLSSocket): PeerIdentity {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (!certificate) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "PEER_CERTIFICATE_MISSING",
      message: "a client certificate of this control plane is required",
    });
  }
  return {
    ...nameOfLeaf(certificate),
    serialNumber: serialNumberOf(certificate),
    notAfter: certificate.validToDate,
    fingerprintSha256: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}
