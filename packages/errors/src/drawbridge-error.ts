import type { ErrorKind } from "./error-kind.ts";

export interface DrawbridgeErrorOptions {
  /** What the error means; decides gRPC status, HTTP status and whether a retry makes sense. */
  readonly kind: ErrorKind;
  /** Stable, SCREAMING_SNAKE_CASE, listed in docs/errors.md. */
  readonly code: string;
  /** For the caller: what, where and how to fix it. Never holds a secret or foreign text. */
  readonly message: string;
  /** Facts for the caller, safe to show. */
  readonly details?: Readonly<Record<string, string>>;
  /** How long the caller should wait before it tries again. */
  readonly retryAfterMs?: number;
  /** The truth: logged once at the edge, never sent. */
  readonly cause?: unknown;
}

/** The one error that crosses our layers. Transports map `kind`; programs branch on `code`; people read `message`. */
export class DrawbridgeError extends Error {
  override readonly name = "DrawbridgeError";
  readonly kind: ErrorKind;
  readonly code: string;
  readonly details: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(options: DrawbridgeErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = options.kind;
    this.code = options.code;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

export function isDrawbridgeError(value: unknown, code?: string): value is DrawbridgeError {
  return value instanceof DrawbridgeError && (code === undefined || value.code === code);
}
