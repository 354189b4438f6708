import type { DrawbridgeError } from "@drawbridge/errors";
import type { RecoveryCause } from "./recovery-port.ts";

/** A connection may break in TLS for many reasons; so many times in a row it is the certificate. */
const tlsRefusalsThatMatter = 3;

/**
 * Whether a failed attempt to open the tunnel is one that a recovery can heal (REN 7), and why. undefined for everything that time
 * heals, or only a person.
 */
export function recoveryCauseOf(error: DrawbridgeError, failures: number): RecoveryCause | undefined {
  switch (error.code) {
    case "AGENT_CERTIFICATE_NOT_VALID_NOW":
    case "CERTIFICATE_EXPIRED":
      return error.details["isEarly"] === "true" ? undefined : "expired";
    case "CERTIFICATE_REVOKED":
    case "AGENT_REVOKED":
      return error.details["reason"] === "superseded" ? "superseded" : "revoked";
    case "CERTIFICATE_UNKNOWN":
      return "unknown";
    case "SERVER_NOT_TRUSTED":
    case "TLS_CLIENT_REFUSED":
      return failures >= tlsRefusalsThatMatter ? "refused-in-tls" : undefined;
    default:
      return undefined;
  }
}
