import { DrawbridgeError } from "@drawbridge/errors";
import type { PeerIdentity, SpiffeIdentity } from "@drawbridge/pki";

export type AgentIdentity = Extract<SpiffeIdentity, { kind: "agent" }> &
  Pick<PeerIdentity, "serialNumber" | "notAfter">;

/**
 * The agent behind a connection. The listener lets only agents in; this says it to the type checker, and once more to a
 * wrong configuration.
 * @throws DrawbridgeError `AGENT_ID_MISMATCH` (permission_denied)
 */
export function agentOf(peer: PeerIdentity | undefined): AgentIdentity {
  if (peer?.identity.kind !== "agent") throw agentIdMismatch();
  return { ...peer.identity, serialNumber: peer.serialNumber, notAfter: peer.notAfter };
}

export function agentIdMismatch(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "AGENT_ID_MISMATCH",
    message: "the certificate is of another agent",
  });
}
