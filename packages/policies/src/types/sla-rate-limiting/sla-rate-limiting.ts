import { z } from "zod";
import { PolicyConfigurationError } from "../../policy-configuration-error.ts";
import { definePolicyType } from "../../policy-type.ts";
import { exposeHeadersField, limitsField } from "../limit-fields.ts";
import { enforceLimit } from "../limit-policy.ts";
import { createLimiter, fixedWindow } from "../window-limits.ts";

const slaRateLimitingSchema = z.strictObject({
  withoutTier: z
    .discriminatedUnion("action", [
      z.strictObject({ action: z.literal("refuse") }),
      z.strictObject({ action: z.literal("limit"), limits: limitsField }),
    ])
    .prefault({ action: "refuse" })
    .meta({ description: "what happens to a client whose contract names no SLA tier" }),
  exposeHeaders: exposeHeadersField,
});

export const slaRateLimiting = definePolicyType({
  type: "sla-rate-limiting",
  title: "SLA-based rate limiting",
  description:
    "Gives each client application the limits of the SLA tier in its contract. Needs a policy before it that knows the client.",
  category: "quality_of_service",
  schema: slaRateLimitingSchema,
  position: "ordered",
  provides: [],
  needs: () => ["client"],
  requiresContracts: () => true,
  bodyBytes: () => 0,
  create({ withoutTier, exposeHeaders }, context, { counters }) {
    const { policyId, refuse, tiers } = context;
    const limiterOf = (name: string, limits: readonly { readonly requests: number; readonly periodMs: number }[]) =>
      createLimiter(
        limits.map(({ requests, periodMs }, index) => fixedWindow(`${policyId}/${name}/${index}`, requests, periodMs)),
        counters,
      );
    const byTier = new Map(
      [...tiers.values()].map((tier) => {
        if (tier.limits.length === 0)
          throw new PolicyConfigurationError("", `the SLA tier "${tier.name}" has no limits`);
        return [tier.tierId, limiterOf(tier.tierId, tier.limits)];
      }),
    );
    const fallback = withoutTier.action === "limit" ? limiterOf("none", withoutTier.limits) : undefined;
    return enforceLimit(context, {
      judge(exchange) {
        const { client } = exchange;
        if (client === undefined) {
          return refuse(exchange, {
            status: 401,
            reason: "client_unknown",
            title: "The client application is not known",
          });
        }
        // A tier that is not in the document is none: the contract may have come with a newer document.
        const limiter = (client.tierId === undefined ? undefined : byTier.get(client.tierId)) ?? fallback;
        if (limiter === undefined) {
          return refuse(exchange, {
            status: 403,
            reason: "no_sla_tier",
            title: "The client application has no SLA tier",
          });
        }
        return limiter(client.clientId, exchange.nowMs);
      },
      exposeHeaders,
      refusal: { reason: "sla_exceeded", title: "Too many requests for the client's SLA tier" },
    });
  },
});
