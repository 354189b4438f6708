import type { ErrorKind } from "@drawbridge/errors";

/** Exit codes of `drawbridge`, for scripts. The README lists them. */
export const exitCodes = {
  ok: 0,
  /** Something failed that no other code names. */
  failure: 1,
  /** The command line or a file that it names is wrong. */
  usage: 2,
  /** Not logged in, or the login ran out. */
  unauthenticated: 3,
  /** Logged in, but not allowed. */
  permissionDenied: 4,
  /** The control plane did not answer. */
  unreachable: 5,
  notFound: 6,
  /** The control plane refused because of the state that things are in. */
  conflict: 7,
  /** The change was taken, but the roll-out failed in the fabric. */
  rolloutFailed: 8,
  /** `--wait` ran out of time; the roll-out goes on. */
  waitTimeout: 9,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const byKind: Readonly<Record<ErrorKind, ExitCode>> = {
  cancelled: exitCodes.failure,
  invalid_argument: exitCodes.usage,
  deadline_exceeded: exitCodes.unreachable,
  not_found: exitCodes.notFound,
  already_exists: exitCodes.conflict,
  permission_denied: exitCodes.permissionDenied,
  resource_exhausted: exitCodes.failure,
  failed_precondition: exitCodes.conflict,
  aborted: exitCodes.conflict,
  out_of_range: exitCodes.usage,
  unimplemented: exitCodes.failure,
  internal: exitCodes.failure,
  unavailable: exitCodes.unreachable,
  data_loss: exitCodes.failure,
  unauthenticated: exitCodes.unauthenticated,
};

export function exitCodeOf(kind: ErrorKind): ExitCode {
  return byKind[kind];
}
