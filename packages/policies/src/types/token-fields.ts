import { z } from "zod";
import type { PolicyContext } from "../policy-type.ts";
import type { Exchange } from "../pipeline/exchange.ts";
import type { Reply } from "../pipeline/reply.ts";
import { readBearerToken, type BearerCredentials } from "./bearer-credentials.ts";
import { claimHeadersField, passClaims } from "./claim-headers.ts";
import { valuesOf } from "./jwt-validation/claims.ts";
import { tokenRefusals } from "./jwt-validation/token-refusal.ts";

/** Words of RFC 6749, section 3.3. */
export const scopesField = z
  .array(
    z
      .string()
      .min(1)
      .max(256)
      .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "must be one word without quotes or backslashes"),
  )
  .max(50)
  .default([])
  .describe("scopes that the token must have, all of them");

/** Fields that policies about tokens share: where the token is, what of it is passed on, whose it is. */
export const tokenFields = {
  tokenHeader: z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of a header")
    .default("authorization")
    .describe("request header that carries the token; in Authorization the scheme must be Bearer"),
  forwardToken: z.boolean().default(true).describe("leave the token in the request for the upstream"),
  claimHeaders: claimHeadersField,
  clientIdClaim: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe('claim that names the client application ("client_id", "azp"); absent: contracts are not looked at'),
  requireContract: z
    .boolean()
    .default(true)
    .describe("with clientIdClaim: refuse clients that have no contract with the API"),
};

export type TokenFields = z.output<z.ZodObject<typeof tokenFields>>;

/** Find the token of a request. The header is one field: two of them are malformed. */
export function findToken(exchange: Exchange, { tokenHeader }: Pick<TokenFields, "tokenHeader">): BearerCredentials {
  const name = tokenHeader.toLowerCase();
  return readBearerToken(exchange.header(name), { isAuthorization: name === "authorization" });
}

/** What follows from a good token: who calls, which contract it is, which headers the upstream sees. */
export function acceptToken(
  exchange: Exchange,
  {
    fields,
    context,
    claims,
  }: { fields: TokenFields; context: PolicyContext; claims: Readonly<Record<string, unknown>> },
): Reply | undefined {
  if (fields.clientIdClaim !== undefined) {
    const ids = valuesOf(claims, fields.clientIdClaim);
    const contract = ids.length === 1 ? context.contracts.current.find(ids[0] ?? "") : undefined;
    if (!contract && fields.requireContract) return context.refuse(exchange, tokenRefusals.unknownClient);
    exchange.client = contract;
  }
  exchange.principal = claims;
  passClaims(exchange, fields.claimHeaders, claims);
  if (!fields.forwardToken) exchange.removeHeader(fields.tokenHeader.toLowerCase());
  return undefined;
}
