import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import type { HeaderList } from "../../pipeline/header-list.ts";
import { isReservedHeader } from "../header-fields.ts";

const patternField = z
  .string()
  .regex(
    /^[A-Za-z0-9!#$%&'+\-.^_`|~]{1,128}\*?$/,
    'must be the name of a header, or the beginning of names followed by "*"',
  )
  .refine((name) => name.endsWith("*") || !isReservedHeader(name.toLowerCase()), {
    message: "is about the connection, the frame of the message or the way it took; only the gateway itself removes it",
  });

const patternList = z.array(patternField).max(50).default([]);

const headerRemovalSchema = z
  .strictObject({
    inbound: patternList.meta({ description: 'headers taken off requests; "x-internal-*" for all that begin so' }),
    outbound: patternList.meta({ description: "headers taken off responses" }),
  })
  .refine(({ inbound, outbound }) => inbound.length + outbound.length > 0, {
    path: ["inbound"],
    message: "is empty, and so is outbound: there is nothing to do",
  });

export const headerRemoval = definePolicyType({
  type: "header-removal",
  title: "Header removal",
  description: "Takes headers off requests to the upstream and off responses to the client.",
  category: "transformation",
  schema: headerRemovalSchema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create({ inbound, outbound }) {
    const removeInbound = createRemover(inbound);
    const removeOutbound = createRemover(outbound);
    return {
      ...(inbound.length > 0 && {
        onRequest(exchange) {
          removeInbound(exchange.rawHeaders);
          return undefined;
        },
      }),
      ...(outbound.length > 0 && {
        onResponse: (_exchange, response) => removeOutbound(response.rawHeaders),
      }),
    };
  },
});

/** Removes in place. A pattern leaves what only the gateway may remove. */
function createRemover(patterns: readonly string[]): (headers: HeaderList) => void {
  const lower = patterns.map((pattern) => pattern.toLowerCase());
  const names = new Set(lower.filter((pattern) => !pattern.endsWith("*")));
  const beginnings = lower.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1));
  const isRemoved = (name: string): boolean =>
    names.has(name) || (beginnings.some((beginning) => name.startsWith(beginning)) && !isReservedHeader(name));
  return (headers) => {
    let kept = 0;
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] ?? "";
      if (!isRemoved(name.toLowerCase())) {
        headers[kept] = name;
        headers[kept + 1] = headers[index + 1] ?? "";
        kept += 2;
      }
    }
    headers.length = kept;
  };
}
