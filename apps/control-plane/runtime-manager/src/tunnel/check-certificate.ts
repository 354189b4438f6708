import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { CertificateRepository } from "../store/certificates.ts";
import type { CertificateAuthority } from "../clients/certificate-authority.ts";
import type { AgentIdentity } from "./agent-identity.ts";

export type CheckCertificate = (agent: AgentIdentity) => Promise<{ readonly issuedAt: Date }>;

/**
 * A certificate that comes for the first time must be one that the authority recorded and did not revoke; it is then
 * active. From then on our own record answers, so that agents come back while the authority is away; revocations reach
 * that record as events.
 * @throws DrawbridgeError `CERTIFICATE_UNKNOWN` (failed_precondition) | `AGENT_REVOKED` (permission_denied; details.reason) | `CERT_AUTHORITY_UNAVAILABLE` (unavailable)
 */
export function createCheckCertificate(deps: {
  readonly certificates: CertificateRepository;
  readonly certificateAuthority: CertificateAuthority;
}): CheckCertificate {
  const { certificates, certificateAuthority } = deps;

  async function introduce(agent: AgentIdentity): Promise<void> {
    const record = await asked(() => certificateAuthority.introduce(agent.serialNumber));
    await certificates.remember({
      serialNumber: agent.serialNumber,
      agentId: agent.agentId,
      fabricId: agent.fabricId,
      notBefore: record.notBefore,
      notAfter: record.notAfter,
      revokedAt:
        record.state === CertificateState.CERTIFICATE_STATE_REVOKED ? (record.revokedAt ?? new Date(0)) : undefined,
      revocationReason: record.revocationReason,
    });
  }

  return async (agent) => {
    let known = await certificates.find(agent.serialNumber);
    // A revocation can be known before the certificate is: its row has no agent, and its dates are not the true ones.
    if (!known || (known.agentId === undefined && !known.revokedAt)) {
      await introduce(agent);
      known = await certificates.find(agent.serialNumber);
    }
    if (!known || known.revokedAt) throw revoked(known?.revocationReason ?? "");
    return { issuedAt: known.firstIssuedAt };
  };
}

async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isDrawbridgeError(error) && error.kind === "not_found") {
      throw new DrawbridgeError({
        kind: "failed_precondition",
        code: "CERTIFICATE_UNKNOWN",
        message: "the certificate authority has no record of this certificate; recover with the recovery key",
        cause: error,
      });
    }
    throw new DrawbridgeError({
      kind: "unavailable",
      code: "CERT_AUTHORITY_UNAVAILABLE",
      message: "a certificate that comes for the first time cannot be checked now; try again",
      retryAfterMs: 2_000,
      cause: error,
    });
  }
}

function revoked(reason: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "AGENT_REVOKED",
    message: "the certificate was revoked; activate the fabric again",
    details: { reason },
  });
}
