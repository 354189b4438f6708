import { DrawbridgeError } from "@drawbridge/errors";
import type { FastifyError } from "fastify";
import { fieldDetail, toProblem, type Problem } from "./problem.ts";

/**
 * What a request that fastify itself refused is called: by its code, never its text, which may quote the request.
 * The HTTP status is fastify's own, for example 413 or 415.
 */
const codes: Readonly<Record<string, { readonly code: string; readonly message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: "BODY_TOO_LARGE", message: "the body is larger than this route takes" },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: "MEDIA_TYPE_UNSUPPORTED",
    message: "this route does not take this content type",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: "BODY_MALFORMED", message: "the body is empty; JSON is expected" },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: "BODY_MALFORMED", message: "the body is not JSON" },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: "BODY_MALFORMED",
    message: "the body is not as long as Content-Length says",
  },
};

/** The problem for anything that a route or fastify threw. */
export function toHttpProblem(thrown: unknown): { readonly problem: Problem; readonly error: unknown } {
  if (!isFastifyError(thrown)) return { problem: toProblem(thrown), error: thrown };
  const known = codes[thrown.code] ?? { code: "REQUEST_INVALID", message: "the request is not valid" };
  const details: Record<string, string> = {};
  for (const issue of thrown.validation ?? []) {
    const missing = issue.params["missingProperty"];
    const path = [...issue.instancePath.split("/").slice(1), ...(typeof missing === "string" ? [missing] : [])].join(
      ".",
    );
    details[fieldDetail(path || (thrown.validationContext ?? "body"))] = issue.message ?? "is not valid";
  }
  const error = new DrawbridgeError({ kind: "invalid_argument", ...known, details });
  return { problem: { ...toProblem(error), status: thrown.statusCode ?? 400 }, error };
}

/** Refused by fastify before or around a route: its statuses are 4xx; anything else of its is a bug of ours. */
function isFastifyError(thrown: unknown): thrown is FastifyError {
  if (!(thrown instanceof Error) || !("statusCode" in thrown) || !("code" in thrown)) return false;
  return typeof thrown.statusCode === "number" && thrown.statusCode >= 400 && thrown.statusCode < 500;
}
