import {
  CertificateState,
  type CertificateAuthorityServiceService,
  type CertificateRecord,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { GrpcClient } from "@drawbridge/rpc";
import type { RevocationDuty } from "../store/duties.ts";

export interface AuthorityRecord {
  readonly state: CertificateRecord["state"];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly revokedAt: Date | undefined;
}

export interface CertificateAuthority {
  /** What the authority knows of a certificate that is used for the first time; unless it was revoked, it is active now. */
  introduce(serialNumber: string): Promise<AuthorityRecord>;
  revoke(duty: Pick<RevocationDuty, "fabricId" | "serialNumber" | "reason">): Promise<void>;
}

type Calls = GrpcClient<typeof CertificateAuthorityServiceService>["call"];

export function createCertificateAuthority(
  calls: Pick<Calls, "getCertificate" | "activateCertificate" | "revokeCertificates">,
): CertificateAuthority {
  return {
    introduce: async (serialNumber) => {
      const options = { idempotent: true, timeoutMs: 5_000 };
      const { certificate } = await calls.getCertificate({ serialNumber }, options);
      const record = recordFromProto(certificate);
      if (record.state !== CertificateState.CERTIFICATE_STATE_REVOKED) {
        await calls.activateCertificate({ serialNumber }, options);
      }
      return record;
    },
    revoke: async ({ fabricId, serialNumber, reason }) => {
      const target =
        serialNumber === ""
          ? ({ $case: "fabricId", value: fabricId } as const)
          : ({ $case: "serialNumber", value: serialNumber } as const);
      await calls.revokeCertificates({ target, reason }, { idempotent: true });
    },
  };
}

function recordFromProto(certificate: CertificateRecord | undefined): AuthorityRecord {
  if (certificate?.notBefore && certificate.notAfter) {
    const { state, notBefore, notAfter, revokedAt } = certificate;
    return { state, notBefore, notAfter, revokedAt };
  }
  throw new DrawbridgeError({
    kind: "internal",
    code: "CERT_AUTHORITY_ANSWER_INVALID",
    message: "the certificate authority gave an answer without a certificate",
  });
}
