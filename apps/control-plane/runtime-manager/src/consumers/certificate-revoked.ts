import { createConsumer, type Bus } from "@drawbridge/bus";
import { parseSpiffeId, type SpiffeIdentity } from "@drawbridge/pki";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { Kick } from "../control/kick.ts";
import type { CertificateRepository } from "../store/certificates.ts";

/**
 * A revoked certificate is remembered, so that it never says hello again, and its tunnel is closed wherever it is
 * (design R9). Both may be done twice, so a repeated delivery needs no inbox.
 */
export function createCertificateRevokedConsumer(deps: {
  readonly bus: Bus;
  readonly certificates: Pick<CertificateRepository, "revoke">;
  readonly kick: Kick;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  return createConsumer({
    bus: deps.bus,
    stream: "CERTS",
    durable: "runtime-manager",
    types: ["certs.certificate.revoked.v1"],
    logger: deps.logger,
    clock: deps.clock,
    handle: async ({ payload, occurredAt }) => {
      const { serialNumber, reason } = payload;
      const identity = fabricIdentity(payload.spiffeId);
      if (!identity) return;
      await deps.certificates.revoke({ serialNumber, fabricId: identity.fabricId, reason, at: occurredAt });
      // One that was superseded has a newer one, and is no ban: the listener cuts it.
      if (identity.kind !== "agent" || reason === superseded) return;
      deps.kick(identity.agentId, { fabricId: identity.fabricId, code: "AGENT_REVOKED", serialNumber });
    },
  });
}

/** As cert-authority gives it for a certificate that was followed by a newer one. */
const superseded = "superseded";

/** Certificates of services never come to the tunnel. */
function fabricIdentity(spiffeId: string): Exclude<SpiffeIdentity, { kind: "service" }> | undefined {
  const identity = parseSpiffeId(spiffeId);
  return identity.kind === "service" ? undefined : identity;
}
