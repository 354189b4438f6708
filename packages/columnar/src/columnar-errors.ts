import { DrawbridgeError, type ErrorKind } from "@drawbridge/errors";

/** An error of the engine: ClickHouse's number of it, and its text, which may quote what was asked. */
export interface EngineFault {
  /** https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp; undefined when there is none. */
  readonly code: number | undefined;
  readonly text: string;
}

interface Meaning {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

const timeout: Meaning = {
  kind: "deadline_exceeded",
  code: "COLUMNAR_QUERY_TIMEOUT",
  message: "the query took longer than it may",
};
const limit: Meaning = {
  kind: "out_of_range",
  code: "COLUMNAR_QUERY_LIMIT",
  message: "the query needs more memory, or answers more rows, than it may: narrow it",
};
const overloaded: Meaning = {
  kind: "resource_exhausted",
  code: "COLUMNAR_OVERLOADED",
  message: "the columnar store is doing all that it can",
  retryAfterMs: 1_000,
};
const away: Meaning = {
  kind: "unavailable",
  code: "COLUMNAR_UNAVAILABLE",
  message: "the columnar store cannot be reached",
  retryAfterMs: 500,
};
const parameter: Meaning = {
  kind: "invalid_argument",
  code: "COLUMNAR_PARAMETER_INVALID",
  message: "a parameter of the query has a value that its type does not take, or is missing",
};
const failed: Meaning = {
  kind: "internal",
  code: "COLUMNAR_FAILED",
  message: "the columnar store refused a statement",
};

const meanings: ReadonlyMap<number, Meaning> = new Map([
  [159, timeout], // TIMEOUT_EXCEEDED
  [160, timeout], // TOO_SLOW
  [158, limit], // TOO_MANY_ROWS
  [241, limit], // MEMORY_LIMIT_EXCEEDED
  [307, limit], // TOO_MANY_BYTES
  [396, limit], // TOO_MANY_ROWS_OR_BYTES
  [202, overloaded], // TOO_MANY_SIMULTANEOUS_QUERIES
  [252, overloaded], // TOO_MANY_PARTS
  [439, overloaded], // CANNOT_SCHEDULE_TASK
  [209, away], // SOCKET_TIMEOUT
  [210, away], // NETWORK_ERROR
  [225, away], // NO_ZOOKEEPER
  [236, away], // ABORTED: the server is going down
  [242, away], // TABLE_IS_READ_ONLY: the replica has lost its keeper
  [243, away], // NOT_ENOUGH_SPACE
  [279, away], // ALL_CONNECTION_TRIES_FAILED
  [319, away], // UNKNOWN_STATUS_OF_INSERT: the token makes the repetition safe
  [999, away], // KEEPER_EXCEPTION
  [456, parameter], // UNKNOWN_QUERY_PARAMETER
  [457, parameter], // BAD_QUERY_PARAMETER
]);

/** A parameter's text that does not parse has the error of its type's parser. */
const parseErrors: ReadonlySet<number> = new Set([
  6, // CANNOT_PARSE_TEXT
  26, // CANNOT_PARSE_QUOTED_STRING
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  38, // CANNOT_PARSE_DATE
  41, // CANNOT_PARSE_DATETIME
  72, // CANNOT_PARSE_NUMBER
  376, // CANNOT_PARSE_UUID
]);

/** What a fault means for the caller. A write that met the memory limit was not too large: it may be repeated. */
export function errorFromFault(fault: EngineFault, work: "read" | "write"): DrawbridgeError {
  const meaning = meaningOf(fault.code, work);
  return new DrawbridgeError({
    ...meaning,
    details: fault.code === undefined ? {} : { clickhouseCode: String(fault.code) },
    cause: new Error(fault.text),
  });
}

function meaningOf(code: number | undefined, work: "read" | "write"): Meaning {
  if (code === undefined) return failed;
  if (work === "read" && parseErrors.has(code)) return parameter;
  const found = meanings.get(code) ?? failed;
  return work === "write" && found === limit ? overloaded : found;
}

export function unavailable(cause: unknown): DrawbridgeError {
  return new DrawbridgeError({ ...away, cause });
}

/** Something must change before it can be done. */
export function refused(code: string, message: string, details: Record<string, string> = {}): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code, message, details });
}

export function invalid(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code, message });
}
