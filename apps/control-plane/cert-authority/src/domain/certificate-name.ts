import { DrawbridgeError } from "@drawbridge/errors";
import { formatSpiffeId } from "@drawbridge/pki";

/** What a fabric certificate is for. */
export type FabricProfile = "agent" | "collector" | "gateway";

export interface FabricNameRequest {
  readonly profile: FabricProfile;
  readonly org: string;
  readonly fabricId: string;
  /** Agent or gateway id; must be empty for collectors. */
  readonly subjectId: string;
}

/**
 * The name that a fabric certificate gets: decided here, never by the requester's CSR (design R1).
 * @throws DrawbridgeError `SPIFFE_ID_INVALID` | `SUBJECT_ID_REFUSED` (invalid_argument)
 */
export function fabricCertificateName(trustDomain: string, request: FabricNameRequest): string {
  const { org, fabricId, subjectId } = request;
  switch (request.profile) {
    case "agent":
      return formatSpiffeId({ kind: "agent", trustDomain, org, fabricId, agentId: subjectId });
    case "gateway":
      return formatSpiffeId({ kind: "gateway", trustDomain, org, fabricId, gatewayId: subjectId });
    case "collector":
      if (subjectId !== "") throw subjectRefused();
      return formatSpiffeId({ kind: "collector", trustDomain, org, fabricId });
  }
}

function subjectRefused(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "SUBJECT_ID_REFUSED",
    message: "a fabric has one collector: subject_id must be empty for it",
  });
}
