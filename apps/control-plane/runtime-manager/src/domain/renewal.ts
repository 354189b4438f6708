import { isUuid } from "./ids.ts";

/** What a certificate of a fabric is for. */
export type CertificatePurpose = "tunnel" | "monitoring";

/** Why a renewal gives no certificate: what the agent is told. */
export interface RenewalRefusal {
  readonly code: string;
  readonly message: string;
  /** 0 where the agent decides. */
  readonly retryAfterMs: number;
}

/** What an agent asks for; nothing of it was looked at. */
export interface RenewalRequest {
  readonly requestId: string;
  readonly purpose: CertificatePurpose | undefined;
  readonly csrBytes: number;
  readonly currentSerial: string;
}

/** Signatures that one replica has asked for and not got yet (design R14). */
export const renewalsAtOnce = 50;
/** Requests of one agent in work at once (design R14). */
export const renewalsPerAgent = 3;

const longestCsrBytes = 8 * 1024;
const serialPattern = /^[0-9a-f]{2,40}$/;

/**
 * What can be said of a renewal before anybody computes anything: undefined if it may go on. The count of others in work
 * is looked at last, so that a request that is wrong is never told to come again.
 */
export function refuseRenewal(
  request: RenewalRequest,
  load: { readonly ofAgent: number; readonly inFlight: number; readonly retryAfterMs: number },
): RenewalRefusal | undefined {
  if (!isUuid(request.requestId)) return refused("REQUEST_ID_INVALID", "request_id must be a lower-case UUID");
  if (request.purpose === undefined) {
    return refused("RENEWAL_PURPOSE_UNKNOWN", "a certificate is renewed for the tunnel or for monitoring");
  }
  if (request.csrBytes === 0 || request.csrBytes > longestCsrBytes) {
    return refused("CSR_MALFORMED", "the CSR must be DER PKCS#10 of at most 8 KiB");
  }
  // Who lost its monitoring certificate replaces none; a tunnel's is always there.
  const isSerial = serialPattern.test(request.currentSerial);
  if (!isSerial && (request.purpose === "tunnel" || request.currentSerial !== "")) return serialUnknown();
  if (load.ofAgent >= renewalsPerAgent) {
    return refused("RENEWAL_LIMIT", `at most ${renewalsPerAgent} renewals of one agent are in work at once`);
  }
  if (load.inFlight >= renewalsAtOnce) return renewalOverloaded(load.retryAfterMs);
  return undefined;
}

export function serialUnknown(): RenewalRefusal {
  return refused("RENEWAL_SERIAL_UNKNOWN", "the certificate to be replaced is not one of this agent's");
}

export function renewalOverloaded(retryAfterMs: number): RenewalRefusal {
  return { code: "RENEWAL_OVERLOADED", message: "too many renewals are in work; try again later", retryAfterMs };
}

/** cert-authority's own code: the agent's certificates go on, and it may ask again. */
export function renewalNameLimited(retryAfterMs: number): RenewalRefusal {
  return {
    code: "ISSUE_NAME_LIMIT",
    message: "too many certificates were issued for this name; try again later",
    retryAfterMs,
  };
}

export function renewalUnavailable(retryAfterMs: number): RenewalRefusal {
  return {
    code: "RENEWAL_UNAVAILABLE",
    message: "the certificate authority cannot be asked now; try again later",
    retryAfterMs,
  };
}

function refused(code: string, message: string): RenewalRefusal {
  return { code, message, retryAfterMs: 0 };
}
