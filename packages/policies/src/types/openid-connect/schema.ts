import { z } from "zod";
import { caCertificatesField } from "../ca-certificates.ts";
import { publicKeyAlgorithms } from "../jwt-validation/algorithms.ts";
import { refineAudiences, ruleFields, ttlSecondsField } from "../jwt-validation/schema.ts";
import { introspectionFields } from "../oauth2-introspection/schema.ts";
import { allowLoopbackHttpField, refineUrl, urlField } from "../outbound-url.ts";
import { tokenFields } from "../token-fields.ts";

export const schema = z
  .strictObject({
    issuer: urlField("issuer; its configuration is read at <issuer>/.well-known/openid-configuration"),
    allowLoopbackHttp: allowLoopbackHttpField,
    caCertificates: caCertificatesField,
    ttlSeconds: ttlSecondsField,
    check: z
      .discriminatedUnion("by", [
        z.strictObject({
          by: z.literal("signature"),
          algorithms: z
            .array(z.enum(publicKeyAlgorithms))
            .min(1)
            .default(["RS256"])
            .describe("signature algorithms that are accepted"),
        }),
        z.strictObject({ by: z.literal("introspection"), ...introspectionFields }),
      ])
      .prefault({ by: "signature" })
      .describe("whether tokens are checked by their signature, or by asking the issuer about each"),
    ...ruleFields,
    ...tokenFields,
  })
  .superRefine((configuration, context) => {
    const { issuer, allowLoopbackHttp } = configuration;
    refineUrl(context, { field: "issuer", url: issuer, allowLoopbackHttp });
    if (URL.parse(issuer)?.search)
      context.addIssue({ code: "custom", path: ["issuer"], message: "must not have a query" });
    refineAudiences(configuration, context);
    // The issuer's answer has neither header nor signature: these rules would look at nothing.
    if (configuration.check.by === "introspection" && configuration.tokenType !== undefined) {
      context.addIssue({ code: "custom", path: ["tokenType"], message: "must be absent with check.by introspection" });
    }
  });

export type OpenIdConfiguration = z.output<typeof schema>;
