import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";

/** What the commands end with; documented in the README and in `--help`. */
export const exitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  notActivated: 3,
  refused: 4,
  unreachable: 5,
  /** `run` wants to be started again. */
  restart: 6,
} as const;

/** Text for `--help`. */
export const exitCodeHelp =
  "Exit codes: 0 ok, 1 failure, 2 usage, 3 not activated, 4 refused by the control plane, 5 control plane unreachable,\n6 run: no session for 30 minutes, start it again";

const byCode: Readonly<Record<string, number>> = {
  AGENT_NOT_ACTIVATED: exitCode.notActivated,
  CONFIG_INVALID: exitCode.usage,
  ADDRESS_INVALID: exitCode.usage,
  APP_USER_INVALID: exitCode.usage,
  ACTIVATION_TOKEN_MISSING: exitCode.usage,
  ACTIVATION_TOKEN_UNREADABLE: exitCode.usage,
  ACTIVATION_TOKEN_MALFORMED: exitCode.usage,
  ACTIVATION_TOKEN_VERSION_UNSUPPORTED: exitCode.usage,
  // Refusals of our own, not of the control plane.
  AGENT_ALREADY_ACTIVATED: exitCode.failure,
  STATE_FOLDER_IN_USE: exitCode.failure,
  AGENT_NOT_RUNNING: exitCode.failure,
  APP_USER_NOT_ALLOWED: exitCode.failure,
  CGROUP_UNUSABLE: exitCode.failure,
  STATE_FOLDER_UNUSABLE: exitCode.failure,
  PIN_MISMATCH: exitCode.failure,
  SERVER_IDENTITY_UNEXPECTED: exitCode.failure,
  SERVER_NOT_TRUSTED: exitCode.failure,
  SERVER_CERTIFICATE_NOT_VALID_NOW: exitCode.failure,
};

const byKind = {
  unavailable: exitCode.unreachable,
  deadline_exceeded: exitCode.unreachable,
  unauthenticated: exitCode.refused,
  permission_denied: exitCode.refused,
  failed_precondition: exitCode.refused,
  resource_exhausted: exitCode.refused,
  invalid_argument: exitCode.refused,
  already_exists: exitCode.refused,
  not_found: exitCode.failure,
  cancelled: exitCode.failure,
  aborted: exitCode.failure,
  out_of_range: exitCode.failure,
  unimplemented: exitCode.failure,
  internal: exitCode.failure,
  data_loss: exitCode.failure,
} as const satisfies Record<ErrorKind, number>;

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof DrawbridgeError)) return exitCode.failure;
  const known = Object.hasOwn(byCode, error.code) ? byCode[error.code] : undefined;
  if (known !== undefined) return known;
  return byKind[error.kind];
}
