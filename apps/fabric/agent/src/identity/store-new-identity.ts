import type { IdentitySnapshot, TrustBundle } from "@drawbridge/pki";
import { writeFileAtomic } from "../state/atomic-file.ts";
import type { IdentityMeta } from "./identity-meta.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { TrustStore } from "./trust-store.ts";

/** A whole identity, as an activation or a recovery gives it, checked as a whole. */
export interface NewIdentity {
  readonly tunnel: IdentitySnapshot;
  readonly monitoring: IdentitySnapshot;
  readonly trustBundle: TrustBundle;
  /** Proof for the next recovery that this state folder is the newest copy; empty if none was given. */
  readonly joinState: string;
  /** Whose it is and where its owner dials: the same for both certificates. */
  readonly about: Pick<IdentityMeta, "fabricId" | "fabricName" | "agentId" | "tokenId" | "endpoints">;
  /** When it came: by the control plane's time where it is known. */
  readonly receivedAt: Date;
}

export interface NewIdentityStores {
  readonly identities: IdentityStore;
  readonly monitoring: IdentityStore;
  readonly trust: Pick<TrustStore, "save">;
  readonly joinStatePath: string;
}

/** Points that storing passes, in this order. */
export type StoreStep = "staged" | "trust-saved" | "monitoring-switched" | "identity-switched" | "finished";

/**
 * Make a new identity the one in use, as the next generation. Everything is durable before the first link is switched; the tunnel's
 * link is the last. After a kill at any point the whole is done again, or the old identity is still in use; the
 * generation before it is kept.
 */
export async function storeNewIdentity(
  stores: NewIdentityStores,
  next: NewIdentity,
  onStep: (step: StoreStep) => void = () => undefined,
): Promise<void> {
  const { identities, monitoring, trust } = stores;
  const monitoringGeneration = await monitoring.stage(generationOf(next.monitoring, next));
  const generation = await identities.stage(generationOf(next.tunnel, next));
  onStep("staged");
  await trust.save(next.trustBundle);
  if (next.joinState !== "") await writeFileAtomic(stores.joinStatePath, next.joinState);
  onStep("trust-saved");
  await monitoring.commit(monitoringGeneration);
  onStep("monitoring-switched");
  await identities.commit(generation);
  onStep("identity-switched");
  await identities.discardNextKey();
  await monitoring.discardNextKey();
  onStep("finished");
}

/** A checked certificate as a generation folder holds it. */
export function generationOf(
  identity: IdentitySnapshot,
  about: Pick<NewIdentity, "about" | "receivedAt">,
): Parameters<IdentityStore["stage"]>[0] {
  return {
    certificateChainPem: identity.certificateChainPem,
    privateKeyPem: identity.privateKeyPem,
    meta: {
      ...about.about,
      spiffeId: identity.spiffeId,
      serialNumber: identity.serialNumber,
      notBefore: identity.notBefore.toISOString(),
      notAfter: identity.notAfter.toISOString(),
      createdAt: about.receivedAt.toISOString(),
    },
  };
}
