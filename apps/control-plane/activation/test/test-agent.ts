import { createPrivateKey, sign } from "node:crypto";
import type { ActivateResponse } from "@drawbridge/contracts/activation/v1/activation_service";
import type {
  BeginRecoveryResponse,
  CompleteRecoveryRequest,
  CompleteRecoveryResponse,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import { createCsr, generateKeyPair, type KeyPair } from "@drawbridge/pki";
import { recoveryText } from "../src/domain/recovery-proof.ts";
import { anActivationWith, aTokenRequest, type RunningService } from "./harness.ts";

/** What an agent keeps on its disk: copy it, and there are two. */
export interface AgentDisk {
  readonly agentId: string;
  readonly fabricId: string;
  readonly recoveryKey: KeyPair;
  readonly certificateSerial: string;
  readonly joinState: string;
}

/** An agent that was activated over the wire. */
export async function anActivatedAgent(
  service: RunningService,
  of: { readonly fabricId?: string } = {},
): Promise<AgentDisk> {
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest(of));
  const [tunnel, monitoring, recovery] = [await generateKeyPair(), await generateKeyPair(), await generateKeyPair()];
  const answer = await service.activate(await anActivationWith(secretToken, { tunnel, monitoring, recovery }));
  return diskAfter(answer, recovery);
}

export function diskAfter(answer: ActivateResponse | undefined, recoveryKey: KeyPair): AgentDisk {
  if (!answer?.certificate) throw new Error("an answer without a certificate");
  return {
    agentId: answer.agentId,
    fabricId: answer.fabricId,
    recoveryKey,
    certificateSerial: answer.certificate.serialNumber,
    joinState: answer.joinState,
  };
}

export interface NextKeys {
  readonly csrDer: Buffer;
  readonly monitoringCsrDer: Buffer;
}

export async function nextKeys(): Promise<NextKeys> {
  return {
    csrDer: Buffer.from(await createCsr(await generateKeyPair())),
    monitoringCsrDer: Buffer.from(await createCsr(await generateKeyPair())),
  };
}

/** The answer to a challenge; `altered` is changed after it was signed. */
export function answerTo(
  challenge: Pick<BeginRecoveryResponse, "challengeId" | "nonce">,
  disk: AgentDisk,
  keys: NextKeys,
  altered: Partial<CompleteRecoveryRequest> = {},
): CompleteRecoveryRequest {
  const { agentId, certificateSerial, joinState } = disk;
  const signed = { challengeId: challenge.challengeId, agentId, ...keys, certificateSerial, joinState };
  const text = recoveryText(signed, Buffer.from(challenge.nonce));
  const key = createPrivateKey(disk.recoveryKey.privateKeyPem());
  const signature = sign("sha256", Buffer.from(text, "utf8"), { key, dsaEncoding: "der" });
  return { ...signed, signature, agentVersion: "0.1.0", ...altered };
}

/** Both calls over the wire. */
export async function recover(
  service: RunningService,
  disk: AgentDisk,
  keys?: NextKeys,
): Promise<CompleteRecoveryResponse> {
  const challenge = await service.recovery.beginRecovery({ agentId: disk.agentId });
  return service.recovery.completeRecovery(answerTo(challenge, disk, keys ?? (await nextKeys())));
}
