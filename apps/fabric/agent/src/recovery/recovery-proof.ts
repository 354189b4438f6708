import { createHash, createPrivateKey, sign } from "node:crypto";
import type {
  BeginRecoveryResponse,
  CompleteRecoveryRequest,
} from "@drawbridge/contracts/activation/v1/recovery_service";

/** Answer a challenge: the signature of recovery_service.proto, by the recovery key. */
export function proveRecovery(
  challenge: Pick<BeginRecoveryResponse, "nonce">,
  request: Omit<CompleteRecoveryRequest, "signature">,
  recoveryKeyPem: string,
): CompleteRecoveryRequest {
  const text = [
    "drawbridge-recovery-v1",
    request.challengeId,
    Buffer.from(challenge.nonce).toString("base64url"),
    request.agentId,
    sha256(request.csrDer),
    sha256(request.monitoringCsrDer),
    request.certificateSerial,
    sha256(request.joinState),
  ].join("\n");
  const key = createPrivateKey(recoveryKeyPem);
  const signature = sign("sha256", Buffer.from(text, "utf8"), { key, dsaEncoding: "der" });
  return { ...request, signature };
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("base64url");
}
