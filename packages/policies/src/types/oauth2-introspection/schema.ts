import { z } from "zod";
import { caCertificatesField } from "../ca-certificates.ts";
import { allowLoopbackHttpField, refineUrl, urlField } from "../outbound-url.ts";
import { scopesField, tokenFields } from "../token-fields.ts";

/** How to ask an introspection endpoint; also of openid-connect. */
export const introspectionFields = {
  clientId: z.string().min(1).max(1024).describe("client id of the gateway at the issuer"),
  clientSecret: z
    .string()
    .min(1)
    .max(1024)
    .describe("client secret of the gateway at the issuer")
    .meta({ secret: true }),
  authentication: z
    .enum(["basic", "post"])
    .default("basic")
    .describe("whether the credentials go into the Authorization header or into the form"),
  timeoutMs: z
    .number()
    .int()
    .min(100)
    .max(30_000)
    .default(3000)
    .describe("milliseconds to wait for an answer; then 503"),
  activeTtlSeconds: z
    .number()
    .int()
    .min(0)
    .max(300)
    .default(60)
    .describe("seconds for which a good answer is remembered: a revoked token may pass so long"),
  inactiveTtlSeconds: z.number().int().min(0).max(10).default(5).describe('seconds for which "inactive" is remembered'),
};

export const schema = z
  .strictObject({
    endpoint: urlField("address of the introspection endpoint (RFC 7662)"),
    allowLoopbackHttp: allowLoopbackHttpField,
    caCertificates: caCertificatesField,
    ...introspectionFields,
    issuers: z
      .array(z.string().min(1).max(1024))
      .max(20)
      .default([])
      .describe("issuers, one of which the answer must name; none: not looked at"),
    audiences: z
      .array(z.string().min(1).max(1024))
      .max(50)
      .default([])
      .describe("audiences, one of which the answer must name; none: not looked at"),
    scopes: scopesField,
    leewaySeconds: z.number().int().min(0).max(300).default(30).describe("difference of clocks that is tolerated"),
    ...tokenFields,
  })
  .superRefine(({ endpoint, allowLoopbackHttp }, context) =>
    refineUrl(context, { field: "endpoint", url: endpoint, allowLoopbackHttp }),
  );

export type IntrospectionConfiguration = z.output<typeof schema>;
