import { serviceAccess } from "@drawbridge/bus";
import type { EventEnvelope } from "@drawbridge/contracts";
import type { AuditEntry } from "../domain/audit-record.ts";
import { supersededReason } from "../domain/certificate-state.ts";

/** What happened elsewhere and belongs in the audit log, by the stream that tells of it: all that this service may read. */
export const auditedEvents = serviceAccess["management-api"].consumes;

export type AuditedStream = keyof typeof auditedEvents;
export type AuditedEventType = (typeof auditedEvents)[AuditedStream][number];
/** A union with one member per type, so that `type` tells the payload. */
export type AuditedEvent = { [T in AuditedEventType]: EventEnvelope<T> }[AuditedEventType];

/** A renewal revokes the certificate before it, of every fabric twice a day and more: nobody did anything. */
export function isWorthARecord(event: AuditedEvent): boolean {
  return event.type !== "certs.certificate.revoked.v1" || event.payload.reason !== supersededReason;
}

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
      const { tokenId, fabricId, errorCode, remoteAddress, keySha256 } = event.payload;
      return {
        actor: "anonymous",
        address: remoteAddress,
        action: "fabric-token.redeem",
        target: tokenId,
        result: "refused",
        errorCode,
        details: { fabricId, keySha256 },
      };
    }
    case "activation.recovery.completed.v1": {
      const { fabricId, agentId, certificateSerial, monitoringCertificateSerial, remoteAddress, allowedBy } =
        event.payload;
      return {
        ...happened,
        actor: `agent ${agentId}`,
        address: remoteAddress,
        action: "fabric.recover",
        target: fabricId,
        details: { agentId, certificateSerial, monitoringCertificateSerial, allowedBy },
      };
    }
    case "activation.recovery.refused.v1": {
      const { agentId, fabricId, errorCode, remoteAddress } = event.payload;
      return {
        actor: agentId === "" ? "anonymous" : `agent ${agentId}`,
        address: remoteAddress,
        action: "fabric.recover",
        target: fabricId,
        result: "refused",
        errorCode,
        details: {},
      };
    }
    case "certs.rotation.changed.v1": {
      const { phase, previousPhase, requestedBy, stranded } = event.payload;
      return {
        ...happened,
        actor: "cert-authority",
        action: "ca.enter-phase",
        target: phase,
        details: { previousPhase, requestedBy, stranded: stranded.join(" ") },
      };
    }
    case "runtime.agent.locked.v1":
    case "runtime.agent.unlocked.v1": {
      const { fabricId, agentId, reason, message, requestedBy } = event.payload;
      return {
        ...happened,
        actor: "runtime-manager",
        action: event.type === "runtime.agent.locked.v1" ? "agent.lock" : "agent.unlock",
        target: fabricId,
        details: { agentId, reason, message, requestedBy },
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
