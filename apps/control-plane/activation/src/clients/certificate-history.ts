import type { CertificateRecord } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { spiffeId } from "@drawbridge/pki";
import type { KnownCertificate } from "../domain/decide-recovery.ts";
import type { CertificateHistory } from "../domain/recover-agent.ts";
import type { CertAuthorityClient } from "./fabric-certificates.ts";

const timeoutMs = 5_000;
/** Newest first; a certificate that is older than so many others is stale whatever it is. */
const pageSize = 500;

/** cert-authority's record of an agent's tunnel certificates. */
export function createCertificateHistory(client: CertAuthorityClient, trustDomain: string): CertificateHistory {
  return {
    ofAgent: async ({ org, fabricId, agentId }, signal) => {
      const { certificates } = await client.call.listCertificates(
        {
          fabricId,
          spiffeId: spiffeId.agent({ trustDomain, org, fabricId, agentId }),
          unexpiredOnly: false,
          pageSize,
          pageToken: "",
        },
        { signal, idempotent: true, timeoutMs },
      );
      return certificates.map(certificateFromProto);
    },
  };
}

function certificateFromProto(record: CertificateRecord): KnownCertificate {
  const { serialNumber, issuedAt, activatedAt, notAfter, revokedAt, revocationReason } = record;
  if (!issuedAt || !notAfter) {
    throw new DrawbridgeError({
      kind: "internal",
      code: "PEER_FAILED",
      message: "cert-authority answered with a certificate without times",
    });
  }
  return {
    serialNumber,
    issuedAt,
    activatedAt,
    notAfter,
    isIssuerRetired: record.issuerRetired === true,
    revoked: revokedAt ? { at: revokedAt, reason: revocationReason } : undefined,
  };
}
