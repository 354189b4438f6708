import {
  FabricProfile,
  type CertificateAuthorityServiceService,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { GrpcClient } from "@drawbridge/rpc";
import type { FabricCertificates } from "../domain/redeem-activation.ts";

export type CertAuthorityClient = Pick<GrpcClient<CertificateAuthorityServiceService>, "call">;

/** Less than an agent waits for its answer; within it the call is retried. */
const timeoutMs = 5_000;
const profiles = {
  agent: FabricProfile.FABRIC_PROFILE_AGENT,
  collector: FabricProfile.FABRIC_PROFILE_COLLECTOR,
} as const;

/** Certificates from cert-authority. Its answer to a request id does not change, so that a call can be repeated. */
export function createFabricCertificates(client: CertAuthorityClient): FabricCertificates {
  return {
    issue: async (request, signal) => {
      const { requestId, csrDer, org, fabricId } = request;
      const { certificate } = await client.call.issueFabricCertificate(
        {
          requestId,
          csrDer,
          profile: profiles[request.profile],
          org,
          fabricId,
          subjectId: request.profile === "agent" ? request.agentId : "",
          decidedAt: request.decidedAt,
        },
        { signal, idempotent: true, timeoutMs },
      );
      if (!certificate?.notAfter) throw incomplete();
      return {
        serialNumber: certificate.serialNumber,
        certificatesDer: [certificate.certificateDer, ...certificate.chainDer],
        notAfter: certificate.notAfter,
      };
    },

    revoke: async (serialNumber, reason) => {
      const target = { $case: "serialNumber", value: serialNumber } as const;
      await client.call.revokeCertificates({ target, reason }, { idempotent: true, timeoutMs });
    },
  };
}

function incomplete(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "PEER_FAILED",
    message: "cert-authority answered without a certificate",
  });
}
