import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";
import { DatabaseError } from "pg";

interface Meaning {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
}

const unavailable: Meaning = {
  kind: "unavailable",
  code: "STORE_UNAVAILABLE",
  message: "the database cannot be reached; try again",
};
const failed: Meaning = { kind: "internal", code: "STORE_FAILED", message: "the database refused a statement" };

/** By SQLSTATE (PostgreSQL documentation, appendix A), never by text: text is translated and changes. */
const meaningOfState: Readonly<Record<string, Meaning>> = {
  "23505": { kind: "already_exists", code: "STORE_UNIQUE_VIOLATION", message: "a row with this key is there already" },
  "23503": {
    kind: "failed_precondition",
    code: "STORE_REFERENCE_VIOLATION",
    message: "a row that this one needs is missing, or one that needs it is there",
  },
  "23514": { kind: "failed_precondition", code: "STORE_CHECK_VIOLATION", message: "a value is outside its bounds" },
  "40001": { kind: "aborted", code: "STORE_CONFLICT", message: "another transaction was faster; try again" },
  "40P01": { kind: "aborted", code: "STORE_CONFLICT", message: "another transaction was in the way; try again" },
  "55P03": { kind: "aborted", code: "STORE_CONFLICT", message: "a row is locked by another transaction; try again" },
  "57014": { kind: "deadline_exceeded", code: "STORE_TIMEOUT", message: "the database took too long" },
  "25P03": { kind: "aborted", code: "STORE_CONFLICT", message: "the transaction was idle for too long; try again" },
  "25P04": { kind: "aborted", code: "STORE_CONFLICT", message: "the transaction took too long; try again" },
  "25006": { ...unavailable, message: "the database takes no writes at the moment; try again" },
};

const meaningOfClass: Readonly<Record<string, Meaning>> = {
  "08": unavailable, // connection exception
  "28": { ...unavailable, message: "the database refused this service's login" },
  "3D": { ...unavailable, message: "the database is not there yet" },
  "53": {
    kind: "resource_exhausted",
    code: "STORE_FULL",
    message: "the database is out of disk, memory or connections",
  },
  "57": unavailable, // operator intervention: shutting down, starting up
  "58": { kind: "unavailable", code: "STORE_UNAVAILABLE", message: "the database has trouble with its disk" },
};

/**
 * A DrawbridgeError for whatever `pg` threw. Constraint violations name the constraint in `details.constraint`, so that
 * callers can tell them apart. Anything that is not an answer of the server is a broken connection: STORE_UNAVAILABLE.
 */
export function translateStoreError(error: unknown): unknown {
  if (error instanceof DrawbridgeError) return error;
  if (error instanceof TypeError || error instanceof RangeError) return error; // a mistake of ours, not of the database
  const meaning = error instanceof DatabaseError ? meaningOf(error.code ?? "") : unavailable;
  const constraint = error instanceof DatabaseError ? error.constraint : undefined;
  return new DrawbridgeError({
    ...meaning,
    ...(constraint === undefined ? {} : { details: { constraint } }),
    cause: error,
  });
}

/** Whether the connection can be used again after this error. */
export function breaksConnection(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return !(error instanceof TypeError || error instanceof RangeError);
  const state = error.code ?? "";
  return state.startsWith("08") || state.startsWith("57P") || state.startsWith("58");
}

function meaningOf(state: string): Meaning {
  return meaningOfState[state] ?? meaningOfClass[state.slice(0, 2)] ?? failed;
}
