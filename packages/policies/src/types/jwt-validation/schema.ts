import { z } from "zod";
import { caCertificatesField } from "../ca-certificates.ts";
import { allowLoopbackHttpField, refineUrl, urlField } from "../outbound-url.ts";
import { scopesField, tokenFields } from "../token-fields.ts";
import { publicKeyAlgorithms } from "./algorithms.ts";
import { keyFromPem } from "./verification-key.ts";

export const ttlSecondsField = z
  .number()
  .int()
  .min(60)
  .max(86_400)
  .default(600)
  .describe("seconds after which the keys are fetched again; the old ones serve for at most an hour more");

const jwks = z
  .strictObject({
    source: z.literal("jwks"),
    url: urlField("address of the JWK Set (RFC 7517)"),
    allowLoopbackHttp: allowLoopbackHttpField,
    caCertificates: caCertificatesField,
    ttlSeconds: ttlSecondsField,
  })
  .superRefine((keys, context) => refineUrl(context, { field: "url", ...keys }));

const fixed = z.strictObject({
  source: z.literal("static"),
  keys: z
    .array(
      z
        .strictObject({
          pem: z.string().min(1).max(16_384).describe("public key or certificate, PEM"),
          keyId: z.string().min(1).max(256).optional().describe("key id (kid) of tokens that it verifies; absent: any"),
          algorithm: z
            .enum(publicKeyAlgorithms)
            .optional()
            .describe("the only algorithm of this key; absent: what its type allows"),
        })
        .superRefine(({ pem, algorithm }, context) => {
          if (keyFromPem(pem, { only: algorithm })) return;
          const message = "is no public key that fits: RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519";
          context.addIssue({ code: "custom", path: ["pem"], message });
        }),
    )
    .min(1)
    .max(20)
    .describe("keys that are trusted until the policy is changed"),
});

/** RFC 7518, section 3.2: a key of HS256 has at least 256 bits. */
const secret = z.strictObject({
  source: z.literal("secret"),
  secret: z
    .string()
    .min(32)
    .max(1024)
    .describe("secret shared with the issuer, at least 32 bytes; tokens are signed with HS256")
    .meta({ secret: true }),
});

export const tokenTypeField = z
  .string()
  .min(1)
  .max(100)
  .optional()
  .describe('type that the header must state ("at+jwt"); absent: any (RFC 8725, section 3.11)');

export const ruleFields = {
  audiences: z
    .array(z.string().min(1).max(1024))
    .max(50)
    .default([])
    .describe("audiences, one of which the token must be for"),
  anyAudience: z
    .boolean()
    .default(false)
    .describe("accept tokens that were issued for somebody else; needed to leave audiences empty"),
  leewaySeconds: z.number().int().min(0).max(300).default(30).describe("difference of clocks that is tolerated"),
  requireExpiry: z.boolean().default(true).describe("refuse tokens that never expire"),
  tokenType: tokenTypeField,
  requiredClaims: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(256).describe("name of the claim"),
        values: z
          .array(z.string().max(1024))
          .min(1)
          .max(100)
          .optional()
          .describe("values, one of which it must have; absent: any"),
      }),
    )
    .max(50)
    .default([])
    .describe("further claims that must be there"),
  scopes: scopesField,
};

/** RFC 8725, section 3.9: an issuer that serves several audiences must not have its tokens accepted by all of them. */
export function refineAudiences(
  rules: { readonly audiences: readonly string[]; readonly anyAudience: boolean },
  context: z.RefinementCtx,
): void {
  if (rules.audiences.length === 0 && !rules.anyAudience) {
    context.addIssue({ code: "custom", path: ["audiences"], message: "must name an audience (or set anyAudience)" });
  }
  if (rules.audiences.length > 0 && rules.anyAudience) {
    context.addIssue({ code: "custom", path: ["anyAudience"], message: "must not be set together with audiences" });
  }
}

/** A key that none of the accepted algorithms can use would make every token of its issuer fail. */
function refineStaticKeys(
  {
    keys,
    algorithms,
  }: {
    readonly keys: z.output<typeof jwks | typeof fixed | typeof secret>;
    readonly algorithms?: readonly string[] | undefined;
  },
  context: z.RefinementCtx,
): void {
  if (keys.source !== "static" || !algorithms) return;
  for (const [index, { pem, algorithm }] of keys.keys.entries()) {
    const key = keyFromPem(pem, { only: algorithm });
    if (key && ![...key.algorithms].some((name) => algorithms.includes(name))) {
      const message = "cannot be used with any of the algorithms that are accepted";
      context.addIssue({ code: "custom", path: ["keys", "keys", index, "pem"], message });
    }
  }
}

export const schema = z
  .strictObject({
    issuers: z
      .array(z.string().min(1).max(1024))
      .min(1)
      .max(20)
      .describe("issuers (iss), one of which the token must come from"),
    keys: z.discriminatedUnion("source", [jwks, fixed, secret]).describe("where the keys of the issuer come from"),
    algorithms: z
      .array(z.enum(publicKeyAlgorithms))
      .min(1)
      .optional()
      .describe("signature algorithms that are accepted; needed unless keys.source is secret"),
    ...ruleFields,
    ...tokenFields,
  })
  .superRefine((configuration, context) => {
    refineAudiences(configuration, context);
    const isSecret = configuration.keys.source === "secret";
    if (!isSecret && !configuration.algorithms) {
      context.addIssue({ code: "custom", path: ["algorithms"], message: "must name the algorithms that are accepted" });
    }
    if (isSecret && configuration.algorithms) {
      context.addIssue({
        code: "custom",
        path: ["algorithms"],
        message: "must be absent: with a secret only HS256 is accepted",
      });
    }
    refineStaticKeys(configuration, context);
  });

export type JwtConfiguration = z.output<typeof schema>;
