import { z } from "zod";
import { headerNameField, isReservedHeader } from "../header-fields.ts";

const headers = z
  .strictObject({
    source: z.literal("headers"),
    clientIdHeader: headerNameField("header with the client id").default("client_id"),
    clientSecretHeader: headerNameField("header with the client secret").default("client_secret"),
  })
  .superRefine(({ clientIdHeader, clientSecretHeader }, context) => {
    for (const [field, name] of Object.entries({ clientIdHeader, clientSecretHeader })) {
      if (isReservedHeader(name.toLowerCase())) {
        context.addIssue({
          code: "custom",
          path: [field],
          message: "is a header that the gateway itself reads or writes",
        });
      }
    }
    if (clientIdHeader.toLowerCase() === clientSecretHeader.toLowerCase()) {
      context.addIssue({ code: "custom", path: ["clientSecretHeader"], message: "must differ from clientIdHeader" });
    }
  });

const parameterName = z.string().regex(/^[A-Za-z0-9_.~-]{1,64}$/, "must be letters, digits, or any of _ . ~ -");

const query = z
  .strictObject({
    source: z.literal("query"),
    clientIdParameter: parameterName.default("client_id").meta({ description: "parameter with the client id" }),
    clientSecretParameter: parameterName
      .default("client_secret")
      .meta({ description: "parameter with the client secret; addresses end up in logs, so prefer headers" }),
  })
  .refine(({ clientIdParameter, clientSecretParameter }) => clientIdParameter !== clientSecretParameter, {
    path: ["clientSecretParameter"],
    message: "must differ from clientIdParameter",
  });

const basic = z.strictObject({ source: z.literal("basic") });

export const clientIdEnforcementSchema = z.strictObject({
  credentials: z.discriminatedUnion("source", [headers, basic, query]).prefault({ source: "headers" }).meta({
    description: "where the credentials are: two headers, HTTP Basic (RFC 7617), or two parameters of the query",
  }),
  check: z.enum(["id_and_secret", "id_only"]).default("id_and_secret").meta({
    description: "id_only trusts whoever names a client id: for identification behind another authentication",
  }),
  keepSecret: z.boolean().default(false).meta({
    description:
      "send the header with the secret (or Authorization) on to the upstream; parameters of the query are always sent on",
  }),
});

export type ClientIdEnforcement = z.output<typeof clientIdEnforcementSchema>;
