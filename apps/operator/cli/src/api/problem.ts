import { DrawbridgeError, errorKinds, type ErrorKind } from "@drawbridge/errors";
import { z } from "zod";

/** problem+json (RFC 9457) with our members. */
const problemSchema = z.object({
  status: z.number().optional(),
  title: z.string().optional(),
  detail: z.string().optional(),
  code: z.string().optional(),
  kind: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  details: z.record(z.string(), z.string()).optional(),
  retryAfterMs: z.number().optional(),
});

const kindByStatus: Readonly<Record<number, ErrorKind>> = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  409: "already_exists",
  412: "failed_precondition",
  413: "invalid_argument",
  422: "invalid_argument",
  429: "resource_exhausted",
  503: "unavailable",
  504: "deadline_exceeded",
  507: "resource_exhausted",
};

/** Details of an error under `field:<name>` say what is wrong with a field. */
const fieldPrefix = "field:";

export interface FieldError {
  readonly field: string;
  readonly message: string;
}

/** What is wrong with which field of what was asked. */
export function fieldErrorsOf(error: DrawbridgeError): readonly FieldError[] {
  return Object.entries(error.details)
    .filter(([name]) => name.startsWith(fieldPrefix))
    .map(([name, message]) => ({ field: name.slice(fieldPrefix.length), message }));
}

/** The error that a response stands for, in the server's own words. */
export function errorFromResponse(status: number, body: string): DrawbridgeError {
  const problem = problemSchema.safeParse(safeJson(body));
  if (!problem.success) {
    return new DrawbridgeError({
      kind: kindByStatus[status] ?? "internal",
      code: "UNEXPECTED_RESPONSE",
      message: `the control plane answered ${status} without an explanation; is the URL that of management-api?`,
    });
  }
  const { code, detail, title, errors = [], details = {}, retryAfterMs } = problem.data;
  const kind = errorKinds.find((known) => known === problem.data.kind) ?? kindByStatus[status] ?? "internal";
  const fields = errors.map(({ field, message }) => [fieldPrefix + field, message]);
  return new DrawbridgeError({
    kind,
    code: code ?? "UNEXPECTED_RESPONSE",
    message: detail ?? title ?? `the control plane answered ${status}`,
    details: { ...details, ...Object.fromEntries(fields) },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
