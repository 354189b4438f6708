import { z } from "zod";
import type { Exchange } from "../pipeline/exchange.ts";
import type { RefuseOptions } from "../pipeline/reply.ts";

/** Fields of policies that look into bodies. */
export const bodyFields = {
  maximumBytes: z
    .number()
    .int()
    .min(1)
    .max(4_194_304)
    .default(1_048_576)
    .describe("longest body; it is held in memory while it is looked at, and a longer one is refused with 413"),
  otherContent: z
    .enum(["refuse", "pass"])
    .default("refuse")
    .describe(
      "what to do with bodies of other content types: an upstream that guesses types makes passing them a way round",
    ),
};

/** What a request's body is, by its headers. */
export type BodyContent = "none" | "inspect" | "pass" | RefuseOptions;

const unsupported: RefuseOptions = {
  status: 415,
  reason: "content_not_inspectable",
  title: "Bodies of this content type or encoding are not accepted here",
};

/** One media type with parameters (RFC 9110, section 8.3.1); two fields (joined by a comma) do not match. */
const mediaType = /^\s*([!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+)\s*((?:;[^,]*)?)$/;
const charset = /;\s*charset\s*=\s*"?([\w-]+)"?\s*(?=;|$)/gi;

/**
 * Decide by the headers whether a body can and must be inspected. No content type: inspected, since the upstream may guess.
 * Compressed bodies and encodings other than UTF-8 cannot be inspected and are refused.
 */
export function classifyBody(
  exchange: Exchange,
  { isOurs, otherContent }: { isOurs: (type: string) => boolean; otherContent: "refuse" | "pass" },
): BodyContent {
  if (exchange.body === undefined || exchange.body.length === 0) return "none";
  const contentType = exchange.header("content-type");
  if (contentType !== undefined) {
    const [, type, parameters] = mediaType.exec(contentType) ?? [];
    if (type === undefined || parameters === undefined) return unsupported;
    if (!isOurs(type.toLowerCase())) return otherContent === "pass" ? "pass" : unsupported;
    const named = [...parameters.matchAll(charset)].map(([, name]) => name?.toLowerCase());
    if (/charset/i.test(parameters) && !(named.length === 1 && (named[0] === "utf-8" || named[0] === "us-ascii"))) {
      return unsupported;
    }
  }
  const encoding = exchange.header("content-encoding")?.trim().toLowerCase();
  return encoding === undefined || encoding === "" || encoding === "identity" ? "inspect" : unsupported;
}
