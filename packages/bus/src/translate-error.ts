import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { JetStreamApiCodes, JetStreamApiError } from "@nats-io/jetstream";
import { jserrors } from "@nats-io/jetstream/internal";
import { errors } from "@nats-io/nats-core";

interface Meaning {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
}

const unavailable: Meaning = {
  kind: "unavailable",
  code: "BUS_UNAVAILABLE",
  message: "the message bus cannot be reached; try again",
};
const refused: Meaning = { kind: "internal", code: "BUS_REFUSED", message: "the message bus refused a request" };

/** NATS' error codes (nats-server, server/errors.json). */
const meaningOfApiCode: Readonly<Record<number, Meaning>> = {
  [JetStreamApiCodes.StreamWrongLastSequence]: {
    kind: "aborted",
    code: "BUS_CONFLICT",
    message: "somebody else changed it first",
  },
  [JetStreamApiCodes.StreamWrongLastSequenceUnknown]: {
    kind: "aborted",
    code: "BUS_CONFLICT",
    message: "somebody else changed it first",
  },
  [JetStreamApiCodes.StreamNotFound]: { ...unavailable, message: "a stream of the message bus is missing" },
  [JetStreamApiCodes.ConsumerNotFound]: { ...unavailable, message: "a consumer of the message bus is missing" },
  10_008: { ...unavailable, message: "the message bus has no leader at the moment" }, // JSClusterNotAvailErr
  10_009: { ...unavailable, message: "the message bus has no leader at the moment" }, // JSClusterNotLeaderErr
  10_023: { kind: "resource_exhausted", code: "BUS_FULL", message: "the message bus is out of room" }, // JSInsufficientResourcesErr
  10_047: { kind: "resource_exhausted", code: "BUS_FULL", message: "the message bus is out of room" }, // JSStorageResourcesExceededErr
  10_077: { kind: "resource_exhausted", code: "BUS_FULL", message: "the message bus is out of room" }, // JSStreamStoreFailedF: also a stream's own bounds
  10_054: { kind: "invalid_argument", code: "BUS_MESSAGE_TOO_LARGE", message: "the message is too large" }, // JSStreamMessageExceedsMaximumErr
};

/** A DrawbridgeError for whatever the NATS client threw, by class and code. */
export function translateBusError(error: unknown): DrawbridgeError {
  if (error instanceof DrawbridgeError) return error;
  return new DrawbridgeError({ ...meaningOf(error), cause: error });
}

function meaningOf(error: unknown): Meaning {
  if (error instanceof errors.TimeoutError) {
    return {
      kind: "deadline_exceeded",
      code: "BUS_TIMEOUT",
      message: "the message bus, or who should answer, took too long",
    };
  }
  if (error instanceof errors.NoRespondersError || (error instanceof errors.RequestError && error.isNoResponders())) {
    return { kind: "unavailable", code: "BUS_NO_RESPONDER", message: "nobody answers on this subject" };
  }
  if (error instanceof JetStreamApiError) return meaningOfApiCode[error.code] ?? refused;
  if (error instanceof jserrors.JetStreamNotEnabled) return unavailable; // also while JetStream recovers after a restart
  if (isRefusal(error) || error instanceof errors.AuthorizationError) {
    return { kind: "permission_denied", code: "BUS_PERMISSION_DENIED", message: "the message bus does not allow this" };
  }
  if (error instanceof errors.InvalidArgumentError || error instanceof errors.InvalidSubjectError) return refused;
  // Closed, draining, reconnecting, broken socket.
  return unavailable;
}

/** The server, or the account, has less storage than was asked for. */
export function isOutOfRoom(error: unknown): boolean {
  return error instanceof JetStreamApiError && (error.code === 10_023 || error.code === 10_047);
}

/** The server does not allow the login to use a subject. A request that failed for it wraps the reason. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof errors.RequestError) return isRefusal(error.cause);
  return error instanceof errors.PermissionViolationError;
}
