import { isDrawbridgeError, type DrawbridgeError, type ErrorKind } from "@drawbridge/errors";

/** Failures of what we need that pass: the same request can be tried again. */
const passing: ReadonlySet<ErrorKind> = new Set(["unavailable", "deadline_exceeded", "aborted", "resource_exhausted"]);
/** Failures that are the caller's: a refused CSR, or it hung up. */
const callers: ReadonlySet<ErrorKind> = new Set(["invalid_argument", "cancelled"]);

/** Tell failures of work apart by what the caller can do about them; anything else is internal, with the truth in the log. */
export type WhileAvailable = <T>(work: Promise<T>) => Promise<T>;

export function createWhileAvailable(unavailable: (cause: unknown) => DrawbridgeError): WhileAvailable {
  return async (work) => {
    try {
      return await work;
    } catch (error) {
      if (!isDrawbridgeError(error) || callers.has(error.kind)) throw error;
      if (passing.has(error.kind)) throw unavailable(error);
      throw new Error("a call to what we need failed", { cause: error });
    }
  };
}
