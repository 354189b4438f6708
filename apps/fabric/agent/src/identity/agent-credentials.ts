import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import {
  createTrustBundle,
  parseCertificate,
  pemToDerAll,
  validateIdentity,
  type IdentitySnapshot,
  type TrustBundle,
} from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { describeValidity } from "../clock/describe-skew.ts";
import type { IdentityMeta } from "./identity-meta.ts";
import type { IdentityStore } from "./identity-store.ts";
import { loadAgentIdentity, type AgentIdentity } from "./load-agent-identity.ts";
import type { TrustStore } from "./trust-store.ts";

/** What the agent proves itself with, and whom it trusts. */
export interface AgentCredentials {
  meta(): IdentityMeta;
  trustBundle(): TrustBundle;
  /**
   * The identity, checked for this moment: take it anew for every connection.
   * @throws DrawbridgeError `AGENT_CERTIFICATE_NOT_VALID_NOW` (failed_precondition) that names the clock where it is the cause
   */
  snapshot(): IdentitySnapshot;
  /** Read the files again. What is in memory stays where they cannot be used. */
  reload(): Promise<void>;
  /**
   * Trust what the control plane now says, where it is newer and our own identity still leads to it.
   * @throws DrawbridgeError `TRUST_BUNDLE_REFUSED` (failed_precondition), `TRUST_BUNDLE_INVALID`
   */
  adoptTrustBundle(next: Pick<TrustBundle, "sequence" | "rootsDer">): Promise<"adopted" | "not newer">;
}

export interface AgentCredentialsOptions {
  readonly identities: Pick<IdentityStore, "load">;
  readonly trust: TrustStore;
  readonly clock: Pick<Clock, "now">;
  readonly measuredSkewMs: () => number | undefined;
  readonly logger: Logger;
}

export function createAgentCredentials(initial: AgentIdentity, options: AgentCredentialsOptions): AgentCredentials {
  const { clock, trust, logger } = options;
  let { material, meta } = initial;

  return {
    meta: () => meta,
    trustBundle: () => material.trustBundle,
    snapshot() {
      const now = clock.now();
      try {
        return validateIdentity(material, now);
      } catch (error) {
        if (!isDrawbridgeError(error, "CERTIFICATE_EXPIRED")) throw error;
        throw notValidNow(material.certificateChainPem, {
          now,
          measuredSkewMs: options.measuredSkewMs(),
          cause: error,
        });
      }
    },
    async reload() {
      const loaded = await loadAgentIdentity(options);
      material = loaded.material;
      meta = loaded.meta;
    },
    async adoptTrustBundle({ sequence, rootsDer }) {
      const { trustBundle } = material;
      if (sequence <= trustBundle.sequence) return "not newer";
      const next = createTrustBundle({ ...trustBundle, sequence, rootsDer });
      try {
        validateIdentity({ ...material, trustBundle: next }, clock.now());
      } catch (cause) {
        throw new DrawbridgeError({
          kind: "failed_precondition",
          code: "TRUST_BUNDLE_REFUSED",
          message: `the trust bundle ${sequence} would lock this agent out: its own certificate does not lead to a root in it`,
          cause,
        });
      }
      await trust.save(next);
      material = { ...material, trustBundle: next };
      logger.info({ sequence: sequence.toString(), roots: rootsDer.length }, "trust bundle replaced");
      return "adopted";
    },
  };
}

function notValidNow(
  certificateChainPem: string,
  about: { readonly now: Date; readonly measuredSkewMs: number | undefined; readonly cause: unknown },
): DrawbridgeError {
  const chain = pemToDerAll(certificateChainPem).map((der) => parseCertificate(der));
  const invalid = chain.find(({ validFromDate, validToDate }) => about.now < validFromDate || about.now >= validToDate);
  const leaf = chain[0];
  const subject = invalid === leaf ? "this agent's certificate" : "a CA certificate above this agent's certificate";
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "AGENT_CERTIFICATE_NOT_VALID_NOW",
    message: invalid
      ? describeValidity({ subject, notBefore: invalid.validFromDate, notAfter: invalid.validToDate, ...about })
      : `a root of the trust bundle is not valid at ${about.now.toISOString()}, this machine's time: check the clock`,
    cause: about.cause,
  });
}
