import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import { limitKeyField, limitSubject, needsOfKey } from "../limit-key.ts";
import { enforceLimit } from "../limit-policy.ts";
import { exposeHeadersField, limitsField } from "../limit-fields.ts";
import { createLimiter, fixedWindow } from "../window-limits.ts";

const rateLimitingSchema = z.strictObject({
  limits: limitsField,
  key: limitKeyField,
  exposeHeaders: exposeHeadersField,
});

export const rateLimiting = definePolicyType({
  type: "rate-limiting",
  title: "Rate limiting",
  description:
    "Allows so many requests per window of time, for everybody together or for each client, address, header value or claim.",
  category: "quality_of_service",
  schema: rateLimitingSchema,
  position: "ordered",
  provides: [],
  needs: ({ key }) => needsOfKey(key),
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create({ limits, key, exposeHeaders }, context, { counters }) {
    const subjectOf = limitSubject(key);
    const judge = createLimiter(
      limits.map(({ requests, periodMs }, index) => fixedWindow(`${context.policyId}/${index}`, requests, periodMs)),
      counters,
    );
    return enforceLimit(context, {
      judge: (exchange) => judge(subjectOf(exchange), exchange.nowMs),
      exposeHeaders,
      refusal: { reason: "rate_limited", title: "Too many requests" },
    });
  },
});
