import type { NewEvent } from "@drawbridge/store";
import type { IssuedCertificates } from "../domain/enrolment.ts";
import type { Refusal } from "../domain/redeem-activation.ts";
import type { StoredToken } from "../domain/stored-token.ts";

/** The facts that activation announces. None of them holds a token's secret or its hash. */
export function tokenCreated(
  token: Pick<StoredToken, "tokenId" | "fabricId" | "createdBy" | "createdAt" | "expiresAt">,
): NewEvent<"activation.token.created.v1"> {
  const { tokenId, fabricId, createdBy, expiresAt } = token;
  return {
    type: "activation.token.created.v1",
    scope: fabricId,
    occurredAt: token.createdAt,
    payload: { tokenId, fabricId, createdBy, expiresAt },
  };
}

export function tokenRedeemed(fact: {
  readonly tokenId: string;
  readonly fabricId: string;
  readonly agentId: string;
  readonly issued: IssuedCertificates;
  readonly remoteAddress: string;
  readonly now: Date;
}): NewEvent<"activation.token.redeemed.v1"> {
  const { tokenId, fabricId, agentId, issued, remoteAddress } = fact;
  return {
    type: "activation.token.redeemed.v1",
    scope: fabricId,
    occurredAt: fact.now,
    payload: {
      tokenId,
      fabricId,
      agentId,
      certificateSerial: issued.certificate.serialNumber,
      monitoringCertificateSerial: issued.monitoringCertificate.serialNumber,
      remoteAddress,
    },
  };
}

export function tokenRefused(refusal: Refusal): NewEvent<"activation.token.refused.v1"> {
  const { tokenId, fabricId, code, remoteAddress, keySha256 = "" } = refusal;
  return {
    type: "activation.token.refused.v1",
    scope: fabricId === "" ? "unknown" : fabricId,
    occurredAt: refusal.now,
    payload: { tokenId, fabricId, errorCode: code, remoteAddress, keySha256 },
  };
}

export function tokenRevoked(fact: {
  readonly tokenId: string;
  readonly fabricId: string;
  readonly now: Date;
}): NewEvent<"activation.token.revoked.v1"> {
  const { tokenId, fabricId } = fact;
  return { type: "activation.token.revoked.v1", scope: fabricId, occurredAt: fact.now, payload: { tokenId, fabricId } };
}
