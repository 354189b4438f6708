import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import {
  followTrustSuccession,
  parseCertificate,
  pemToDerAll,
  validateIdentity,
  type IdentityMaterial,
  type IdentitySnapshot,
  type TrustBundle,
} from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { describeValidity } from "../clock/describe-skew.ts";
import type { TrustBundleOffer } from "../tunnel/tunnel-events.ts";
import { assertAdoptable } from "./assert-adoptable.ts";
import type { IdentityMeta } from "./identity-meta.ts";
import type { IdentityStore, StoredIdentity } from "./identity-store.ts";
import { loadAgentIdentity, type AgentIdentity } from "./load-agent-identity.ts";
import type { TrustStore } from "./trust-store.ts";

/** What the agent proves itself with, and whom it trusts. */
export interface AgentCredentials {
  meta(): IdentityMeta;
  trustBundle(): TrustBundle;
  /**
   * The identity, checked for this moment: take it anew for every connection. `candidate` is a renewed one that was not
   * used yet.
   * @throws DrawbridgeError `AGENT_CERTIFICATE_NOT_VALID_NOW` (failed_precondition) that names the clock where it is the cause
   */
  snapshot(which?: "current" | "candidate"): IdentitySnapshot;
  /** Read the files again. What is in memory stays where they cannot be used. */
  reload(): Promise<void>;
  /** A renewed certificate waits for its first use, which `promote` follows; undefined takes it back. */
  offer(candidate: StoredIdentity | undefined): void;
  candidate(): StoredIdentity | undefined;
  /** The candidate has worked once: it is the identity from now on. */
  promote(): void;
  /**
   * Trust what the roots that are trusted now have signed, where it is newer and would not lock this agent out. Whoever
   * holds a service's certificate but no root's key can offer what he likes.
   * @throws DrawbridgeError `TRUST_BUNDLE_REFUSED` (failed_precondition), `TRUST_SUCCESSION_INVALID`, `TRUST_BUNDLE_INVALID`
   */
  adoptTrustBundle(offer: TrustBundleOffer, serverChainDer: readonly Uint8Array[]): Promise<"adopted" | "not newer">;
}

export interface AgentCredentialsOptions {
  readonly identities: Pick<IdentityStore, "load">;
  readonly trust: TrustStore;
  readonly clock: Pick<Clock, "now">;
  /** What time it may be in the control plane: a wrong clock here must not make a good certificate look bad (design R21). */
  readonly possibleNows: () => readonly Date[];
  readonly measuredSkewMs: () => number | undefined;
  readonly logger: Logger;
}

export function createAgentCredentials(initial: AgentIdentity, options: AgentCredentialsOptions): AgentCredentials {
  const { clock, trust, logger } = options;
  let { material, meta } = initial;
  let candidate: StoredIdentity | undefined;
  let adopting: Promise<unknown> = Promise.resolve();

  async function adopt(
    offer: TrustBundleOffer,
    serverChainDer: readonly Uint8Array[],
  ): Promise<"adopted" | "not newer"> {
    const { trustBundle } = material;
    if (offer.sequence <= trustBundle.sequence) return "not newer";
    const next = await followTrustSuccession(trustBundle, offer.succession);
    if (next.sequence !== offer.sequence) throw notSigned(offer.sequence);
    assertAdoptable({ present: trustBundle, next, serverChainDer, possibleNows: options.possibleNows() });
    await trust.save(next);
    material = { ...material, trustBundle: next };
    logger.info({ sequence: next.sequence.toString(), roots: next.rootsDer.length }, "trust bundle replaced");
    return "adopted";
  }

  return {
    meta: () => meta,
    trustBundle: () => material.trustBundle,
    snapshot(which = "current") {
      const chosen = which === "candidate" && candidate ? { ...material, ...pairOf(candidate) } : material;
      try {
        return validateAtAny(chosen, options.possibleNows());
      } catch (error) {
        if (!isDrawbridgeError(error, "CERTIFICATE_EXPIRED")) throw error;
        throw notValidNow(chosen.certificateChainPem, {
          now: clock.now(),
          measuredSkewMs: options.measuredSkewMs(),
          cause: error,
        });
      }
    },
    async reload() {
      const loaded = await loadAgentIdentity(options);
      material = loaded.material;
      meta = loaded.meta;
      if (candidate !== undefined && candidate.meta.generation <= meta.generation) candidate = undefined;
    },
    offer: (next) => void (candidate = next),
    candidate: () => candidate,
    promote() {
      if (candidate === undefined) return;
      material = { ...material, ...pairOf(candidate) };
      meta = candidate.meta;
      candidate = undefined;
    },
    adoptTrustBundle(offer, serverChainDer) {
      const adopted = adopting.then(() => adopt(offer, serverChainDer)); // one after the other: sequences only grow
      adopting = adopted.catch(() => undefined); // the caller hears of it
      return adopted;
    },
  };
}

function pairOf(stored: StoredIdentity): Pick<IdentityMaterial, "certificateChainPem" | "privateKeyPem"> {
  return { certificateChainPem: stored.certificateChainPem, privateKeyPem: stored.privateKeyPem };
}

/** Validate for the first instant at which it holds. @throws what `validateIdentity` throws for the last one */
export function validateAtAny(material: IdentityMaterial, possibleNows: readonly Date[]): IdentitySnapshot {
  const earlier = possibleNows.slice(0, -1);
  for (const now of earlier) {
    try {
      return validateIdentity(material, now);
    } catch (error) {
      if (!isDrawbridgeError(error, "CERTIFICATE_EXPIRED")) throw error;
    }
  }
  const last = possibleNows.at(-1);
  if (last === undefined) throw new Error("there is always some time that it may be");
  return validateIdentity(material, last);
}

function notSigned(sequence: bigint): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "TRUST_BUNDLE_REFUSED",
    message: `no root that is trusted here has signed the trust bundle ${sequence}, nor one that it leads to`,
  });
}

function notValidNow(
  certificateChainPem: string,
  about: { readonly now: Date; readonly measuredSkewMs: number | undefined; readonly cause: unknown },
): DrawbridgeError {
  const correctedNow = new Date(about.now.getTime() - (about.measuredSkewMs ?? 0));
  const chain = pemToDerAll(certificateChainPem).map((der) => parseCertificate(der));
  const invalid = chain.find(({ validFromDate, validToDate }) => about.now < validFromDate || about.now >= validToDate);
  const leaf = chain[0];
  const subject = invalid === leaf ? "this agent's certificate" : "a CA certificate above this agent's certificate";
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "AGENT_CERTIFICATE_NOT_VALID_NOW",
    message: invalid
      ? describeValidity({ subject, notBefore: invalid.validFromDate, notAfter: invalid.validToDate, ...about })
      : `the chain of this agent's certificate is not valid at ${correctedNow.toISOString()}: check the clock`,
    details: { isEarly: String(leaf !== undefined && correctedNow < leaf.validFromDate) },
    cause: about.cause,
  });
}
