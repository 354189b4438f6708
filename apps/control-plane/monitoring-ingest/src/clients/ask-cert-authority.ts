import {
  CertificateState,
  type CertificateAuthorityServiceService,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcCalls } from "@drawbridge/rpc";
import type { Logger } from "@drawbridge/telemetry";
import type { CertificateStandingDeps } from "../domain/certificate-standing.ts";

/** A collector waits for this answer within its own 10 s. */
const timeoutMs = 4_000;

/** cert-authority's word on a certificate; one that is seen for the first time is activated there. */
export function createAskCertAuthority(deps: {
  readonly call: Pick<GrpcCalls<CertificateAuthorityServiceService>, "getCertificate" | "activateCertificate">;
  readonly logger: Logger;
}): CertificateStandingDeps["ask"] {
  const { call, logger } = deps;
  let isAway = false;

  function noteAnswer(error: unknown): void {
    if (error === undefined && isAway) logger.info({}, "cert-authority answers again");
    if (error !== undefined && !isAway) logger.warn({ err: error }, "cert-authority does not answer");
    isAway = error !== undefined;
  }

  return async (serialNumber, sight) => {
    try {
      // A certificate that was vouched for goes on without the answer: no reason to wait for one.
      const options = { timeoutMs, idempotent: sight === "first" };
      const { certificate } = await call.getCertificate({ serialNumber }, options);
      const isRevoked = certificate?.state === CertificateState.CERTIFICATE_STATE_REVOKED;
      if (certificate?.state === CertificateState.CERTIFICATE_STATE_ISSUED) {
        await call.activateCertificate({ serialNumber }, options);
      }
      noteAnswer(undefined);
      if (certificate === undefined) return "unknown";
      return isRevoked ? "revoked" : "good";
    } catch (error) {
      if (isDrawbridgeError(error, "CERTIFICATE_NOT_FOUND")) {
        noteAnswer(undefined);
        return "unknown";
      }
      noteAnswer(error);
      return "away";
    }
  };
}
