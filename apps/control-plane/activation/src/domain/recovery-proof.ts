import { createHash, createPublicKey, generateKeyPairSync, verify, type KeyObject } from "node:crypto";

/** What a recovery is asked with. */
export interface RecoveryRequest {
  readonly challengeId: string;
  readonly agentId: string;
  readonly csrDer: Buffer;
  readonly monitoringCsrDer: Buffer;
  readonly certificateSerial: string;
  readonly joinState: string;
  readonly signature: Buffer;
  readonly agentVersion: string;
}

/** The text that the recovery key signs, as recovery_service.proto says. */
export function recoveryText(request: Omit<RecoveryRequest, "signature" | "agentVersion">, nonce: Buffer): string {
  return [
    "drawbridge-recovery-v1",
    request.challengeId,
    nonce.toString("base64url"),
    request.agentId,
    sha256(request.csrDer).toString("base64url"),
    sha256(request.monitoringCsrDer).toString("base64url"),
    request.certificateSerial,
    sha256(request.joinState).toString("base64url"),
  ].join("\n");
}

export type VerifyRecoveryProof = (
  request: RecoveryRequest,
  nonces: readonly Buffer[],
  recoveryKeySpkiDer: Buffer | undefined,
) => boolean;

/**
 * Whether the signature is by the agent's recovery key. For an agent that is not known a key of ours that nobody holds takes the
 * place of its own, so that both cases cost the same work.
 */
export function createVerifyRecoveryProof(): VerifyRecoveryProof {
  const nobodys = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({
    format: "der",
    type: "spki",
  });
  return (request, nonces, recoveryKeySpkiDer) => {
    const key = createPublicKey({ key: recoveryKeySpkiDer ?? nobodys, format: "der", type: "spki" });
    const proofs = nonces.map((nonce) => isSignedBy(key, recoveryText(request, nonce), request.signature));
    return recoveryKeySpkiDer !== undefined && proofs.includes(true);
  };
}

function isSignedBy(key: KeyObject, text: string, signature: Buffer): boolean {
  return verify("sha256", Buffer.from(text, "utf8"), { key, dsaEncoding: "der" }, signature);
}

export function sha256(content: Buffer | string): Buffer {
  return createHash("sha256").update(content).digest();
}
