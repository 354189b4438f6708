import { createPublicKey } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseCsr } from "@drawbridge/pki";
import type { EnrolmentKeys } from "./enrolment.ts";

/** What an agent asks with, checked. */
export interface ActivationRequest {
  readonly token: string;
  readonly csrDer: Buffer;
  readonly monitoringCsrDer: Buffer;
  readonly keys: EnrolmentKeys;
  readonly recoveryKeySpkiDer: Buffer;
  readonly agentVersion: string;
}

const maxRecoveryKeyBytes = 256;
export const agentVersionPattern = /^[0-9A-Za-z.+_-]{1,64}$/;

/**
 * Check everything of a request that can be checked without knowing the token.
 * @throws DrawbridgeError (invalid_argument) `CSR_MALFORMED` | `CSR_SIGNATURE_INVALID` | `CSR_KEY_UNSUPPORTED` |
 * `CSR_NAMES_REFUSED` | `CSR_KEYS_EQUAL` | `RECOVERY_KEY_INVALID` | `AGENT_VERSION_INVALID`
 */
export async function checkActivationRequest(request: Omit<ActivationRequest, "keys">): Promise<ActivationRequest> {
  const keys = await checkCsrPair(request);
  if (!isP256Spki(request.recoveryKeySpkiDer)) {
    throw refused("RECOVERY_KEY_INVALID", "the recovery key must be a P-256 public key (SubjectPublicKeyInfo, DER)");
  }
  if (!agentVersionPattern.test(request.agentVersion)) {
    throw refused("AGENT_VERSION_INVALID", "the agent's version must be 1 to 64 letters, digits, or . + _ -");
  }
  return { ...request, keys };
}

/**
 * The keys of both CSRs.
 * @throws DrawbridgeError (invalid_argument) `CSR_MALFORMED` | `CSR_SIGNATURE_INVALID` | `CSR_KEY_UNSUPPORTED` |
 * `CSR_NAMES_REFUSED` | `CSR_KEYS_EQUAL`
 */
export async function checkCsrPair(
  request: Pick<ActivationRequest, "csrDer" | "monitoringCsrDer">,
): Promise<EnrolmentKeys> {
  const agent = await parseCsr(request.csrDer);
  const collector = await parseCsr(request.monitoringCsrDer);
  if (agent.spkiSha256 === collector.spkiSha256) {
    throw refused("CSR_KEYS_EQUAL", "the tunnel and the monitoring certificate need different keys");
  }
  return { agentSpkiSha256: agent.spkiSha256, collectorSpkiSha256: collector.spkiSha256 };
}

function isP256Spki(der: Buffer): boolean {
  if (der.length === 0 || der.length > maxRecoveryKeyBytes) return false;
  try {
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    return key.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  } catch {
    return false;
  }
}

function refused(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code, message });
}
