import type { NewEvent } from "@drawbridge/store";
import type { IssuedCertificates } from "../domain/enrolment.ts";
import type { RecoveryRefusal } from "../domain/recover-agent.ts";

/** The facts about recoveries: the audit trail of who came back, and of who was refused. */
export function recoveryCompleted(fact: {
  readonly fabricId: string;
  readonly agentId: string;
  readonly issued: IssuedCertificates;
  readonly remoteAddress: string;
  readonly allowedBy: string | undefined;
  readonly now: Date;
}): NewEvent<"activation.recovery.completed.v1"> {
  const { fabricId, agentId, issued, remoteAddress } = fact;
  return {
    type: "activation.recovery.completed.v1",
    scope: fabricId,
    occurredAt: fact.now,
    payload: {
      fabricId,
      agentId,
      certificateSerial: issued.certificate.serialNumber,
      monitoringCertificateSerial: issued.monitoringCertificate.serialNumber,
      remoteAddress,
      allowedBy: fact.allowedBy ?? "",
    },
  };
}

export function recoveryRefused(refusal: RecoveryRefusal): NewEvent<"activation.recovery.refused.v1"> {
  const { agentId, fabricId, code, remoteAddress } = refusal;
  return {
    type: "activation.recovery.refused.v1",
    scope: fabricId === "" ? "unknown" : fabricId,
    occurredAt: refusal.now,
    payload: { agentId, fabricId, errorCode: code, remoteAddress },
  };
}
