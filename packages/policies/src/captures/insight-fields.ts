import { z } from "zod";
import { parseRedactRule } from "./capture-path.ts";

const listOf = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** Settings by which a fabric's owner allows captures, of his agent and of the gateways that it starts. */
export const insightFields = () => ({
  ALLOW_INSIGHT: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true")
    .meta({
      description:
        "whether gateways may capture exchanges, masked, and tell them to the control plane where its operators order it: customer data, as far as an order reveals it",
    }),
  INSIGHT_ENVIRONMENTS: z
    .string()
    .transform(listOf)
    .pipe(z.array(z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be names of environments")).min(1))
    .optional()
    .meta({ description: "environments in which that is allowed, `staging,test`; without it in all of them" }),
  INSIGHT_REDACT: z
    .string()
    .transform(listOf)
    .pipe(
      z
        .array(
          z.string().refine((rule) => parseRedactRule(rule) !== undefined, "must be a name, or a path of a capture"),
        )
        .max(1_000),
    )
    .optional()
    .meta({
      description:
        "what is left out of captured exchanges whatever is ordered, names wherever they stand and paths, `email,$.customer,header.x-tenant`",
    }),
});
