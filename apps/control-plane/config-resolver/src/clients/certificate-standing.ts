import {
  CertificateState,
  type CertificateAuthorityServiceService,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcCalls } from "@drawbridge/rpc";
import type { CertificateStanding } from "../domain/peer-standing.ts";

const timeoutMs = 5_000;
const retryAfterMs = 2_000;

/** Ask cert-authority. Rejects with `CERTIFICATE_STANDING_UNKNOWN` (unavailable, retry) when it does not answer. */
export function createStandingQuestion(call: Pick<GrpcCalls<CertificateAuthorityServiceService>, "getCertificate">) {
  return async (serialNumber: string, signal: AbortSignal): Promise<CertificateStanding> => {
    try {
      const { certificate } = await call.getCertificate({ serialNumber }, { signal, timeoutMs, idempotent: true });
      if (certificate === undefined) return "unknown";
      return certificate.state === CertificateState.CERTIFICATE_STATE_REVOKED ? "revoked" : "good";
    } catch (cause) {
      signal.throwIfAborted();
      if (isDrawbridgeError(cause, "CERTIFICATE_NOT_FOUND")) return "unknown";
      throw new DrawbridgeError({
        kind: "unavailable",
        code: "CERTIFICATE_STANDING_UNKNOWN",
        message: "cert-authority, which knows whether the certificate was revoked, does not answer; try again",
        retryAfterMs,
        cause,
      });
    }
  };
}
