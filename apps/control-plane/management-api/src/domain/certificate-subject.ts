import { parseSpiffeId, type SpiffeIdentity } from "@drawbridge/pki";
import { isDrawbridgeError } from "@drawbridge/errors";

export const subjectKinds = ["agent", "collector", "gateway", "service", "unknown"] as const;

export interface CertificateSubject {
  readonly kind: (typeof subjectKinds)[number];
  /** "agent of edge-berlin", "service runtime-manager". */
  readonly text: string;
}

/**
 * Whom a certificate is for, in words. `fabric` is the name of its fabric, "deleted" if there is none any more, and undefined
 * if nobody could be asked.
 */
export function certificateSubject(
  spiffeId: string,
  fabric: { readonly name: string } | "deleted" | undefined,
): CertificateSubject {
  const identity = identityIn(spiffeId);
  if (!identity) return { kind: "unknown", text: spiffeId === "" ? "unknown" : spiffeId };
  if (identity.kind === "service") return { kind: "service", text: `service ${identity.service}` };
  return { kind: identity.kind, text: `${identity.kind} of ${fabricText(identity.fabricId, fabric)}` };
}

function fabricText(fabricId: string, fabric: { readonly name: string } | "deleted" | undefined): string {
  if (fabric === undefined) return `fabric ${fabricId}`;
  return fabric === "deleted" ? `deleted fabric ${fabricId}` : fabric.name;
}

/** A name of a later release is shown as it is. */
function identityIn(spiffeId: string): SpiffeIdentity | undefined {
  try {
    return parseSpiffeId(spiffeId);
  } catch (error) {
    if (isDrawbridgeError(error, "SPIFFE_ID_INVALID")) return undefined;
    throw error;
  }
}
