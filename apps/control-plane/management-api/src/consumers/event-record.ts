import type { EventEnvelope } from "@drawbridge/contracts";
import type { AuditEntry } from "../domain/audit-record.ts";

/** What happened elsewhere and belongs in the audit log, by the stream that tells of it. */
export const auditedEvents = {
  ACTIVATION: ["activation.token.redeemed.v1", "activation.token.refused.v1"],
  CERTS: ["certs.certificate.revoked.v1"],
  RUNTIME: ["runtime.fabric.connected.v1", "runtime.fabric.unreachable.v1", "runtime.fabric.deleted.v1"],
  CONFIG: ["config.artefact.refused.v1"],
} as const;

export type AuditedStream = keyof typeof auditedEvents;
export type AuditedEventType = (typeof auditedEvents)[AuditedStream][number];
/** A union with one member per type, so that `type` tells the payload. */
export type AuditedEvent = { [T in AuditedEventType]: EventEnvelope<T> }[AuditedEventType];

type Facts = Pick<AuditEntry, "actor" | "address" | "action" | "target" | "result" | "errorCode" | "details">;

/** The audit entry of an event. */
export function eventToEntry(event: AuditedEvent): AuditEntry {
  return { occurredAt: event.occurredAt, requestId: event.id, statusCode: 0, ...withoutEmpty(factsOf(event)) };
}

function factsOf(event: AuditedEvent): Facts {
  const happened = { result: "success", errorCode: "", address: "" } as const;
  switch (event.type) {
    case "activation.token.redeemed.v1": {
      const { tokenId, fabricId, agentId, certificateSerial, monitoringCertificateSerial, remoteAddress } =
        event.payload;
      return {
        ...happened,
        actor: `agent ${agentId}`,
        address: remoteAddress,
        action: "fabric-token.redeem",
        target: tokenId,
        details: { fabricId, agentId, certificateSerial, monitoringCertificateSerial },
      };
    }
    case "activation.token.refused.v1": {
      const { tokenId, fabricId, errorCode, remoteAddress } = event.payload;
      return {
        actor: "anonymous",
        address: remoteAddress,
        action: "fabric-token.redeem",
        target: tokenId,
        result: "refused",
        errorCode,
        details: { fabricId },
      };
    }
    case "certs.certificate.revoked.v1": {
      const { serialNumber, spiffeId, reason } = event.payload;
      return {
        ...happened,
        actor: "cert-authority",
        action: "certificate.revoke",
        target: serialNumber,
        details: { spiffeId, reason },
      };
    }
    case "runtime.fabric.connected.v1":
    case "runtime.fabric.unreachable.v1":
    case "runtime.fabric.deleted.v1": {
      const { fabricId, name, agentId, replica } = event.payload;
      return {
        ...happened,
        actor: "runtime-manager",
        action: fabricActions[event.type],
        target: name,
        details: { fabricId, agentId, replica },
      };
    }
    case "config.artefact.refused.v1": {
      const { fabricId, spiffeId, digest, remoteAddress } = event.payload;
      return {
        actor: spiffeId,
        address: remoteAddress,
        action: "artefact.fetch",
        target: digest,
        result: "refused",
        errorCode: "",
        details: { fabricId },
      };
    }
  }
}

const fabricActions = {
  "runtime.fabric.connected.v1": "fabric.connect",
  "runtime.fabric.unreachable.v1": "fabric.lose",
  "runtime.fabric.deleted.v1": "fabric.remove",
} as const;

/** Proto leaves out nothing: an empty text is "not known", which a record says by leaving it out. */
function withoutEmpty(facts: Facts): Facts {
  return { ...facts, details: Object.fromEntries(Object.entries(facts.details).filter(([, value]) => value !== "")) };
}
