import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";

/** Why an agent that has proven itself is refused. */
export type RecoveryRefusalCode =
  | "RECOVERY_REFUSED"
  | "FABRIC_DELETED"
  | "AGENT_REPLACED"
  | "AGENT_LOCKED"
  | "AGENT_REVOKED"
  | "RECOVERY_NOT_NEEDED"
  | "RECOVERY_MANUAL_ONLY"
  | "RECOVERY_LIMIT_REACHED"
  | "RECOVERY_TOO_LATE";

const kinds = {
  RECOVERY_REFUSED: "unauthenticated",
  FABRIC_DELETED: "permission_denied",
  AGENT_REPLACED: "permission_denied",
  AGENT_LOCKED: "permission_denied",
  AGENT_REVOKED: "permission_denied",
  RECOVERY_NOT_NEEDED: "failed_precondition",
  RECOVERY_MANUAL_ONLY: "failed_precondition",
  RECOVERY_LIMIT_REACHED: "failed_precondition",
  RECOVERY_TOO_LATE: "failed_precondition",
} as const satisfies Record<RecoveryRefusalCode, ErrorKind>;

export function recoveryRefusal(code: RecoveryRefusalCode, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: kinds[code], code, message });
}

/** One text for everything that comes before a valid proof: it tells nobody whether an agent exists. */
export const unproven =
  "the recovery was refused: the agent is not known here, its recovery key is another one, or the challenge has expired or was used";

/** Something that we need is away; the same challenge can be answered again. */
export function recoveryUnavailable(cause: unknown): DrawbridgeError {
  const retryAfterMs = cause instanceof DrawbridgeError ? (cause.retryAfterMs ?? 2_000) : 2_000;
  return new DrawbridgeError({
    kind: "unavailable",
    code: "RECOVERY_UNAVAILABLE",
    message: "recovery is not possible right now; try again with the same keys",
    retryAfterMs,
    cause,
  });
}
