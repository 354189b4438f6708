import { z } from "zod";
import type { Exchange } from "../pipeline/exchange.ts";
import { claimOf } from "./jwt-validation/claims.ts";

/** Headers that tell the upstream what a token said. */
export const claimHeadersField = z
  .array(
    z.strictObject({
      claim: z.string().min(1).max(256).describe("name of the claim; texts, numbers and booleans are passed on"),
      header: z
        .string()
        .max(64)
        .regex(/^x-[a-z0-9]+(-[a-z0-9]+)*$/i, "must begin with x- and consist of letters, digits and single hyphens")
        .refine((name) => !isReserved(name.toLowerCase()), "is a header that the gateway itself writes")
        .describe("request header that carries it; one that the client sent is always removed"),
    }),
  )
  .max(20)
  .default([])
  .describe("claims passed on to the upstream as request headers");

export type ClaimHeaders = z.output<typeof claimHeadersField>;

function isReserved(name: string): boolean {
  return /^x-(forwarded|gateway|request-id|ratelimit|envoy|real-ip)/.test(name);
}

/** What may stand in a header without meaning anything else: visible ASCII and single spaces inside. */
const safeValue = /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/;
const longestValue = 1024;

/** Set the headers, after removing what the client sent under those names or their underscore forms. */
export function passClaims(exchange: Exchange, headers: ClaimHeaders, claims: Readonly<Record<string, unknown>>): void {
  for (const { claim, header } of headers) {
    const name = header.toLowerCase();
    exchange.removeHeader(name);
    exchange.removeHeader(name.replaceAll("-", "_"));
    const value = claimOf(claims, claim);
    if (typeof value === "string" ? value.length <= longestValue && safeValue.test(value) : isPlain(value)) {
      exchange.setHeader(header, String(value));
    }
  }
}

function isPlain(value: unknown): boolean {
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}
