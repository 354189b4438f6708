import type { ErrorKind } from "@drawbridge/errors";
import { toPublicError } from "./public-error.ts";
import { httpStatusOf } from "./error-status.ts";

/** RFC 9457 problem details, with our members. */
export interface Problem {
  /** `urn:drawbridge:error:<CODE>` */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  /** What the error means; `status` is coarser. */
  readonly kind: ErrorKind;
  readonly detail: string;
  /** What is wrong with which field of the request. */
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  readonly details?: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number;
}

/** Where HTTP says more than the kind: RFC 4918 11.5. */
const statusOfCode: Readonly<Record<string, number>> = { DISK_FULL: 507 };

export const problemContentType = "application/problem+json";

/** Details of an error under `field:<name>` say what is wrong with a field of the request. */
const fieldPrefix = "field:";

/** Name of the detail that says what is wrong with a field: shown as `errors[]` in problem+json. */
export function fieldDetail(field: string): string {
  return fieldPrefix + field;
}

/** The problem document for anything that was thrown. */
export function toProblem(thrown: unknown): Problem {
  const error = toPublicError(thrown);
  const entries = Object.entries(error.details);
  const errors = entries
    .filter(([name]) => name.startsWith(fieldPrefix))
    .map(([name, message]) => ({ field: name.slice(fieldPrefix.length), message }));
  const details = Object.fromEntries(entries.filter(([name]) => !name.startsWith(fieldPrefix)));
  return {
    type: `urn:drawbridge:error:${error.code}`,
    title: error.code.toLowerCase().replaceAll("_", " "),
    status: statusOfCode[error.code] ?? httpStatusOf(error.kind),
    code: error.code,
    kind: error.kind,
    detail: error.message,
    ...(errors.length > 0 ? { errors } : {}),
    ...(Object.keys(details).length > 0 ? { details } : {}),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  };
}
