import { ErrorInfo, RetryInfo, Status } from "@drawbridge/contracts/rpc/v1/error_details";
import { DrawbridgeError } from "@drawbridge/errors";
import { Metadata, status, type ServerErrorResponse, type ServiceError } from "@grpc/grpc-js";
import { grpcStatusOf, kindOfGrpcStatus } from "./error-status.ts";
import { toPublicError } from "./public-error.ts";

/** google.rpc error model: https://google.aip.dev/193. */
const detailsKey = "grpc-status-details-bin";
const typeUrl = (name: string): string => `type.googleapis.com/google.rpc.${name}`;
const domain = "drawbridge";

/** A gRPC status that carries the error's code, details and retry delay for any gRPC client to read. */
export function toGrpcStatus(thrown: unknown): ServerErrorResponse {
  const error = toPublicError(thrown);
  const info = ErrorInfo.encode({ reason: error.code, domain, metadata: { ...error.details } }).finish();
  const details = [{ typeUrl: typeUrl("ErrorInfo"), value: Buffer.from(info) }];
  if (error.retryAfterMs !== undefined) {
    const wholeMs = Math.ceil(error.retryAfterMs);
    const retryDelay = { seconds: BigInt(Math.floor(wholeMs / 1000)), nanos: (wholeMs % 1000) * 1_000_000 };
    details.push({ typeUrl: typeUrl("RetryInfo"), value: Buffer.from(RetryInfo.encode({ retryDelay }).finish()) });
  }
  const code = grpcStatusOf(error.kind);
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(Status.encode({ code, message: error.message, details }).finish()));
  return Object.assign(new Error(error.message), { code, details: error.message, metadata });
}

/**
 * The error behind a failed call. One of our own comes back as it was thrown, without its cause. A failure of the
 * transport is `PEER_UNAVAILABLE`; its text is foreign and stays in the cause.
 */
export function fromGrpcError(thrown: unknown, peer: string): DrawbridgeError {
  if (thrown instanceof DrawbridgeError) return thrown;
  if (!isServiceError(thrown)) return toPublicError(thrown);
  return decodeDetails(thrown) ?? transportError(thrown, peer);
}

function decodeDetails(error: ServiceError): DrawbridgeError | undefined {
  const [bytes] = error.metadata?.get(detailsKey) ?? [];
  if (!(bytes instanceof Buffer)) return undefined;
  try {
    const decoded = Status.decode(bytes);
    const info = decoded.details.find((detail) => detail.typeUrl === typeUrl("ErrorInfo"));
    if (!info) return undefined;
    const { reason, domain: from, metadata: details } = ErrorInfo.decode(info.value);
    if (from !== domain || reason === "") return undefined;
    const retry = decoded.details.find((detail) => detail.typeUrl === typeUrl("RetryInfo"));
    const delay = retry && RetryInfo.decode(retry.value).retryDelay;
    const retryAfter = delay ? { retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1_000_000 } : {};
    return new DrawbridgeError({
      kind: kindOfGrpcStatus(error.code),
      code: reason,
      message: decoded.message,
      details,
      ...retryAfter,
    });
  } catch {
    return undefined; // not a google.rpc.Status: treated as a failure of the transport
  }
}

/** What a status without details means: the transport failed, or a server that is not ours answered. */
const transportFailures: Readonly<Partial<Record<status, { readonly code: string; readonly text: string }>>> = {
  [status.UNAVAILABLE]: { code: "PEER_UNAVAILABLE", text: "cannot be reached" },
  [status.DEADLINE_EXCEEDED]: { code: "DEADLINE_EXCEEDED", text: "did not answer in time" },
  [status.CANCELLED]: { code: "CALL_CANCELLED", text: "was asked, but the call was cancelled" },
};

function transportError(cause: ServiceError, peer: string): DrawbridgeError {
  const failure = transportFailures[cause.code] ?? { code: "PEER_FAILED", text: "refused the call or failed" };
  return new DrawbridgeError({
    kind: kindOfGrpcStatus(cause.code),
    code: failure.code,
    message: `${peer} ${failure.text}`,
    cause,
  });
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "number";
}
