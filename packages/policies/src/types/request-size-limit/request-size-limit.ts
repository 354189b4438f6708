import { z } from "zod";
import type { Exchange } from "../../pipeline/exchange.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { definePolicyType } from "../../policy-type.ts";

const requestSizeLimitSchema = z.strictObject({
  bodyBytes: z.number().int().min(0).max(1_099_511_627_776).meta({
    description: "longest body in bytes, after transfer codings and before content codings are undone; 0: no body",
  }),
  headerBytes: z
    .number()
    .int()
    .min(256)
    .max(65_536)
    .optional()
    .meta({ description: "longest header section, names and values together; absent: the gateway's own limit" }),
  targetBytes: z
    .number()
    .int()
    .min(16)
    .max(65_536)
    .optional()
    .meta({ description: "longest path with query; absent: the gateway's own limit" }),
});

export const requestSizeLimit = definePolicyType({
  type: "request-size-limit",
  title: "Request size limit",
  description:
    "Refuses requests whose body, header section or address is too long. Bodies are counted as they stream, not kept.",
  category: "security",
  schema: requestSizeLimitSchema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create({ bodyBytes, headerBytes, targetBytes }, { refuse }) {
    const tooLarge = (exchange: Exchange): Reply =>
      refuse(exchange, {
        status: 413,
        reason: "body_too_large",
        title: "The body is too large",
        detail: `At most ${bodyBytes} bytes are accepted here.`,
      });
    return {
      onRequest(exchange) {
        if (exchange.contentLength !== undefined && exchange.contentLength > bodyBytes) return tooLarge(exchange);
        if (headerBytes !== undefined && lengthOf(exchange.rawHeaders) > headerBytes) {
          return refuse(exchange, {
            status: 431,
            reason: "headers_too_large",
            title: "The header section is too large",
          });
        }
        if (targetBytes !== undefined && exchange.path.length + exchange.query.length + 1 > targetBytes) {
          return refuse(exchange, { status: 414, reason: "target_too_long", title: "The address is too long" });
        }
        return undefined;
      },
      streamLimit: { bytes: bodyBytes, tooLarge },
    };
  },
});

/** Names and values; header sections are ASCII, so characters are bytes. */
function lengthOf(headers: readonly string[]): number {
  let length = 0;
  for (const part of headers) length += part.length;
  return length;
}
