/**
 * The closed set of meanings that an error can have, after the canonical gRPC codes
 * (https://grpc.io/docs/guides/status-codes/) without OK and UNKNOWN.
 */
export const errorKinds = [
  "cancelled",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;

export type ErrorKind = (typeof errorKinds)[number];
