import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";
import type { z } from "zod";
import type { RawInput } from "./route.ts";

interface InputSchemas<P, Q, H, B> {
  readonly params: P;
  readonly query: Q;
  readonly headers: H;
  readonly body: B;
}

/** What a schema gives; undefined where there is none. */
export type OutputOf<S> = S extends z.ZodType ? z.output<S> : undefined;

/** More field errors than this help nobody. */
const mostFieldErrors = 50;

/**
 * Parse every part of a request; what has no schema becomes undefined.
 * @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument) with one detail per field
 */
export function parseInput<P, Q, H, B>(
  schemas: InputSchemas<P, Q, H, B>,
  raw: RawInput,
): { params: OutputOf<P>; query: OutputOf<Q>; headers: OutputOf<H>; body: OutputOf<B> } {
  const problems: FieldProblem[] = [];
  const parsed = {
    params: parsePart(schemas.params, raw.params, problems),
    query: parsePart(schemas.query, raw.query, problems),
    headers: parsePart(schemas.headers, raw.headers, problems),
    body: parsePart(schemas.body, raw.body, problems),
  };
  if (problems.length > 0) throw requestInvalid(problems);
  return parsed;
}

export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

/** The error for fields that are wrong; the first one is in the message too, for those who read no list. */
export function requestInvalid(
  problems: readonly FieldProblem[],
  code: "REQUEST_INVALID" | "CONFIGURATION_INVALID" = "REQUEST_INVALID",
): DrawbridgeError {
  const shown = problems.slice(0, mostFieldErrors);
  const summary = shown
    .map(({ field, message }) => `${field} ${message}`)
    .slice(0, 3)
    .join("; ");
  const more = problems.length > 3 ? `; and ${problems.length - 3} more` : "";
  return new DrawbridgeError({
    kind: "invalid_argument",
    code,
    message: `${code === "REQUEST_INVALID" ? "the request is not valid" : "the configuration does not fit the app's manifest"}: ${summary}${more}`,
    details: Object.fromEntries(shown.map(({ field, message }) => [fieldDetail(field), message])),
  });
}

function parsePart<S>(schema: S, value: unknown, problems: FieldProblem[]): OutputOf<S> {
  // `S extends z.ZodType` is not known here: the callers pass a schema or undefined, and OutputOf follows that.
  const type = schema as z.ZodType | undefined;
  if (type === undefined) return undefined as OutputOf<S>;
  const result = type.safeParse(value ?? {});
  if (result.success) return result.data as OutputOf<S>;
  problems.push(...result.error.issues.flatMap((issue) => problemsOf(issue)));
  return undefined as OutputOf<S>; // never read: the caller throws
}

function problemsOf(issue: z.core.$ZodIssue): readonly FieldProblem[] {
  const field = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      field: field === "" ? key : `${field}.${key}`,
      message: "is not a known field; remove it or correct its spelling",
    }));
  }
  return [{ field: field === "" ? "body" : field, message: lowerFirst(issue.message) }];
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
