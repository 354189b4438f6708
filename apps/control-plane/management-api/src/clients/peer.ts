import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcCalls } from "@drawbridge/rpc";

/** The services that we ask, and what each is for, in words of an operator. */
const purposes = {
  "runtime-manager": "which keeps fabrics and what their apps should be",
  activation: "which makes and keeps activation tokens",
  "config-resolver": "which keeps bundles and configuration",
  "cert-authority": "which issues certificates",
  "api-manager": "which keeps APIs, policies and contracts",
  "analytics-ingest": "which keeps what gateways told of requests",
  alerting: "which looks at alert rules",
  "monitoring-ingest": "which hears the fabrics' monitoring collectors",
} as const;

export type PeerName = keyof typeof purposes;

/** Long enough for a restarted process to be back. */
const retryAfterMs = 2_000;

/** The error for a peer that is away: `PEER_UNAVAILABLE` (unavailable). */
export function peerUnavailable(peer: PeerName, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "PEER_UNAVAILABLE",
    message: `the ${peer} service, ${purposes[peer]}, cannot be reached at the moment; apps that run go on running. Try again in a moment`,
    details: { service: peer },
    retryAfterMs,
    cause,
  });
}

/** Say of a failed transport which service is away and what that means; other errors pass as they are. */
export function describePeerFailure(peer: PeerName, error: unknown): unknown {
  return isDrawbridgeError(error, "PEER_UNAVAILABLE") ? peerUnavailable(peer, error) : error;
}

type Call = (request: unknown, options?: { readonly idempotent?: boolean }) => unknown;

/**
 * The same calls, with two rules. A conflict of two writes at the peer (`STORE_CONFLICT`) is tried once more where the
 * call may be repeated: the other one is over by then. And a rejection says which peer is away. Streams are as they were.
 */
export function withPeerRules<D>(peer: PeerName, calls: GrpcCalls<D>): GrpcCalls<D> {
  const wrapped = Object.entries(calls).map(([name, method]) => {
    const call = method as Call; // every member is a method of this shape
    return [
      name,
      (request: unknown, options?: { readonly idempotent?: boolean }): unknown => {
        const answer = call(request, options);
        if (!(answer instanceof Promise)) return answer;
        return answer
          .catch((error: unknown) => {
            if (options?.idempotent && isDrawbridgeError(error, "STORE_CONFLICT")) return call(request, options);
            throw error;
          })
          .catch((error: unknown) => {
            throw describePeerFailure(peer, error);
          });
      },
    ];
  });
  return Object.fromEntries(wrapped) as GrpcCalls<D>; // the same names, the same parameters, the same answers
}
