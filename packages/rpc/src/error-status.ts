import type { ErrorKind } from "@drawbridge/errors";
import { status } from "@grpc/grpc-js";

/**
 * What a kind is called in each transport. gRPC: https://grpc.io/docs/guides/status-codes/. HTTP: google.rpc.Code's
 * table, except `failed_precondition`, which is 409: what the caller asked for conflicts with the state of a resource
 * (RFC 9110 15.5.10), while 400 says that the request itself is wrong.
 */
const table = {
  cancelled: { grpc: status.CANCELLED, http: 499 },
  invalid_argument: { grpc: status.INVALID_ARGUMENT, http: 400 },
  deadline_exceeded: { grpc: status.DEADLINE_EXCEEDED, http: 504 },
  not_found: { grpc: status.NOT_FOUND, http: 404 },
  already_exists: { grpc: status.ALREADY_EXISTS, http: 409 },
  permission_denied: { grpc: status.PERMISSION_DENIED, http: 403 },
  resource_exhausted: { grpc: status.RESOURCE_EXHAUSTED, http: 429 },
  failed_precondition: { grpc: status.FAILED_PRECONDITION, http: 409 },
  aborted: { grpc: status.ABORTED, http: 409 },
  out_of_range: { grpc: status.OUT_OF_RANGE, http: 400 },
  unimplemented: { grpc: status.UNIMPLEMENTED, http: 501 },
  internal: { grpc: status.INTERNAL, http: 500 },
  unavailable: { grpc: status.UNAVAILABLE, http: 503 },
  data_loss: { grpc: status.DATA_LOSS, http: 500 },
  unauthenticated: { grpc: status.UNAUTHENTICATED, http: 401 },
} as const satisfies Record<ErrorKind, { grpc: status; http: number }>;

const kindsByStatus = new Map<status, ErrorKind>(
  Object.entries(table).map(([kind, { grpc }]) => [grpc, kind as ErrorKind]), // the keys of table are exactly the kinds
);

export function grpcStatusOf(kind: ErrorKind): status {
  return table[kind].grpc;
}

export function httpStatusOf(kind: ErrorKind): number {
  return table[kind].http;
}

/** `internal` for UNKNOWN and for numbers that are no gRPC status. */
export function kindOfGrpcStatus(code: status): ErrorKind {
  return kindsByStatus.get(code) ?? "internal";
}
