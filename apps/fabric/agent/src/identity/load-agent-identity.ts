import { DrawbridgeError } from "@drawbridge/errors";
import type { IdentityMaterial } from "@drawbridge/pki";
import type { IdentityMeta } from "./identity-meta.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { TrustStore } from "./trust-store.ts";

/** Who this agent is, as its files say; validity in time is checked where it is used. */
export interface AgentIdentity {
  readonly material: IdentityMaterial;
  readonly meta: IdentityMeta;
}

/**
 * Read identity and trust bundle together.
 * @throws DrawbridgeError `AGENT_NOT_ACTIVATED` (failed_precondition)
 */
export async function loadAgentIdentity(stores: {
  readonly identities: Pick<IdentityStore, "load">;
  readonly trust: Pick<TrustStore, "load">;
}): Promise<AgentIdentity> {
  const stored = await stores.identities.load();
  const trustBundle = stored && (await stores.trust.load());
  if (stored === undefined || trustBundle === undefined) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "AGENT_NOT_ACTIVATED",
      message: "this agent is not activated: run `drawbridge-agent activate --token-file <file>` with its state folder",
    });
  }
  return {
    material: {
      certificateChainPem: stored.certificateChainPem,
      privateKeyPem: stored.privateKeyPem,
      trustBundle,
    },
    meta: stored.meta,
  };
}
