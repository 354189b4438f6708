import type { OnRevoked, RevocationCheck } from "@drawbridge/rpc";
import { fabricId } from "../domain/ids.ts";
import type { SessionRegistry } from "./session-registry.ts";

/** As cert-authority gives it for a certificate that was followed by a newer one. */
const superseded = "superseded";

/**
 * An agent whose certificate was revoked is told so on its tunnel; the connection ends a moment later, at the latest after
 * a second. One whose certificate was only superseded has a newer one: its old connection is cut without a word of a ban.
 */
export function createTellRevoked(deps: {
  readonly registry: Pick<SessionRegistry, "ofFabric">;
  readonly refusals: Pick<RevocationCheck, "refusal">;
}): OnRevoked {
  return ({ id, peer }, cut) => {
    if (peer?.identity.kind !== "agent" || deps.refusals.refusal(peer)?.reason === superseded) return cut();
    const sessions = deps.registry
      .ofFabric(fabricId(peer.identity.fabricId))
      .filter(({ terms }) => terms.connectionId === id);
    if (sessions.length === 0) return cut();
    for (const session of sessions) session.kick("AGENT_REVOKED");
  };
}
