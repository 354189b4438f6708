import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import { headerValueField, ownHeaderNameField } from "../header-fields.ts";

const injectedField = z
  .strictObject({
    name: ownHeaderNameField("name of the header; what was there under this name is replaced"),
    value: headerValueField("its value").optional(),
    secretValue: headerValueField("its value, if operators must not see it again").meta({ secret: true }).optional(),
  })
  .refine(({ value, secretValue }) => (value === undefined) !== (secretValue === undefined), {
    path: ["value"],
    message: "give either value or secretValue",
  });

const injectedList = z
  .array(injectedField)
  .max(50)
  .superRefine((headers, context) => {
    const seen = new Set<string>();
    for (const [index, { name }] of headers.entries()) {
      if (seen.has(name.toLowerCase())) {
        context.addIssue({ code: "custom", path: [index, "name"], message: "is there twice" });
      }
      seen.add(name.toLowerCase());
    }
  })
  .default([]);

const headerInjectionSchema = z
  .strictObject({
    inbound: injectedList.meta({ description: "headers put on requests before they go to the upstream" }),
    outbound: injectedList.meta({ description: "headers put on responses before they go to the client" }),
  })
  .refine(({ inbound, outbound }) => inbound.length + outbound.length > 0, {
    path: ["inbound"],
    message: "is empty, and so is outbound: there is nothing to do",
  });

export const headerInjection = definePolicyType({
  type: "header-injection",
  title: "Header injection",
  description: "Puts headers on requests to the upstream and on responses to the client, in place of what was there.",
  category: "transformation",
  schema: headerInjectionSchema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create({ inbound, outbound }) {
    return {
      ...(inbound.length > 0 && {
        onRequest(exchange) {
          for (const { name, value = "", secretValue = value } of inbound) {
            // Many servers read both as one name: the client must not be able to add its own beside ours.
            const other = name.toLowerCase().replaceAll("-", "_");
            exchange.removeHeader(other);
            exchange.setHeader(name, secretValue);
          }
          return undefined;
        },
      }),
      ...(outbound.length > 0 && {
        onResponse(_exchange, response) {
          for (const { name, value = "", secretValue = value } of outbound) response.setHeader(name, secretValue);
        },
      }),
    };
  },
});
