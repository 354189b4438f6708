import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import { exposeHeadersField } from "../limit-fields.ts";
import { limitKeyDescription, limitKeyField, limitSubject, needsOfKey } from "../limit-key.ts";
import { enforceLimit } from "../limit-policy.ts";
import { createLimiter } from "../window-limits.ts";
import { calendarWindow } from "./calendar-window.ts";

const quotaSchema = z.strictObject({
  requests: z.number().int().min(1).max(1_000_000_000).meta({ description: "requests allowed in each period" }),
  per: z
    .enum(["hour", "day", "week", "month"])
    .meta({ description: "period in UTC; weeks begin on Monday, months on their first day" }),
  key: limitKeyField.unwrap().prefault({ by: "client" }).meta({ description: limitKeyDescription }),
  exposeHeaders: exposeHeadersField,
});

export const quota = definePolicyType({
  type: "quota",
  title: "Quota",
  description: "Allows so many requests per hour, day, week or month of the calendar, in UTC.",
  category: "quality_of_service",
  schema: quotaSchema,
  position: "ordered",
  provides: [],
  needs: ({ key }) => needsOfKey(key),
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create({ requests, per, key, exposeHeaders }, context, { counters }) {
    const subjectOf = limitSubject(key);
    const windowAt = (nowMs: number): ReturnType<typeof calendarWindow> => calendarWindow(per, nowMs);
    const judge = createLimiter([{ name: `${context.policyId}/${per}`, requests, windowAt }], counters);
    return enforceLimit(context, {
      judge: (exchange) => judge(subjectOf(exchange), exchange.nowMs),
      exposeHeaders,
      refusal: { reason: "quota_exceeded", title: "The quota is used up" },
    });
  },
});
