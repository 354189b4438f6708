import { DrawbridgeError, toError } from "@drawbridge/errors";
import { redactSecrets } from "./redact-secrets.ts";

/** An error as it stands in a log record. */
export interface SerializedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly kind?: string;
  readonly details?: Readonly<Record<string, string>>;
  readonly stack?: string;
  readonly cause?: SerializedError;
}

/** A chain of causes longer than this is cut: it is a bug or an attack on the log. */
const deepestCause = 5;

/** What was thrown, with its causes, without secrets. */
export function serializeError(thrown: unknown, depth = 0): SerializedError {
  const error = toError(thrown);
  const code =
    "code" in error && (typeof error.code === "string" || typeof error.code === "number")
      ? { code: String(error.code) }
      : {};
  const ours = error instanceof DrawbridgeError ? { kind: error.kind, details: redactValues(error.details) } : {};
  const stack = error.stack === undefined ? {} : { stack: redactSecrets(error.stack) };
  const cause =
    error.cause === undefined || depth >= deepestCause ? {} : { cause: serializeError(error.cause, depth + 1) };
  return { type: error.name, message: redactSecrets(error.message), ...code, ...ours, ...stack, ...cause };
}

function redactValues(details: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [name, redactSecrets(value)]));
}
