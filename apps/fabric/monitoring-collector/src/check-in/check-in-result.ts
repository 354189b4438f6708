import { isDrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import type { Credentials } from "../credentials/read-credentials.ts";

/** How a check-in ended. */
export type CheckInResult = "ok" | "refused" | "unavailable" | "unreachable" | "failed";

/** Why a connection was opened. */
export type ConnectReason = "start" | "certificate_replaced" | "trust_bundle_replaced" | "connection_lost";

const byKind: Partial<Record<ErrorKind, Exclude<CheckInResult, "ok">>> = {
  unauthenticated: "refused",
  permission_denied: "refused",
  invalid_argument: "refused",
  not_found: "refused",
  unavailable: "unavailable",
  resource_exhausted: "unavailable",
};

/** Nobody was there to answer; the others are of packages/egress. */
const unreachableCodes: ReadonlySet<string> = new Set([
  "INGEST_UNREACHABLE",
  "DIAL_NAME_NOT_FOUND",
  "DIAL_REFUSED",
  "DIAL_TIMEOUT",
  "DIAL_FAILED",
  "PROXY_REFUSED",
]);

/**
 * refused: who we are or what we said is not accepted. unavailable: monitoring-ingest answered that it cannot now.
 * unreachable: it gave no answer.
 */
export function resultOf(error: unknown): Exclude<CheckInResult, "ok"> {
  if (!isDrawbridgeError(error)) return "failed";
  if (unreachableCodes.has(error.code)) return "unreachable";
  return byKind[error.kind] ?? "failed";
}

export function connectReason(before: Credentials | undefined, next: Credentials): ConnectReason {
  if (before === undefined) return "start";
  if (before.identity.serialNumber !== next.identity.serialNumber) return "certificate_replaced";
  if (before.digest !== next.digest) return "trust_bundle_replaced";
  return "connection_lost";
}
