import { z } from "zod";

export const alertNameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be 1 to 63 of a-z, 0-9 and -, no hyphen at its ends");
const seconds = (minimum: number, maximum: number) =>
  z.int().min(minimum, `must be at least ${minimum}`).max(maximum, `must be at most ${maximum}`);

export const analyticsFigures = [
  "requests",
  "client-errors",
  "server-errors",
  "error-rate",
  "violations",
  "latency-mean-ms",
  "latency-p95-ms",
  "latency-p99-ms",
] as const;
export const metricFigures = [
  "cpu-millicores",
  "memory-bytes",
  "memory-share",
  "messages",
  "errors",
  "error-rate",
  "response-time-ms",
] as const;
const series = ["api", "application", "resource-path", "violated-policy"] as const;

const analytics = z.strictObject({
  figure: z.enum(analyticsFigures, `must be one of ${analyticsFigures.join(", ")}`),
  api: z.string().min(1).max(128).optional().meta({ description: "Of this API; of all requests without it." }),
  application: z.string().min(1).max(128).optional().meta({ description: "Of this client application." }),
  by: z
    .enum(series, `must be one of ${series.join(", ")}`)
    .optional()
    .meta({ description: "A figure for each of them, each with an alert of its own." }),
});
const metric = z.strictObject({
  figure: z.enum(metricFigures, `must be one of ${metricFigures.join(", ")}`),
  app: z.string().min(1).max(63).optional().meta({ description: "Of this app; of each app without it." }),
});

/** The members of a rule, for schemas that add some; `checkAlertRule` goes with them. */
export const alertRuleFields = {
  name: alertNameSchema.meta({ description: "Unique in its environment." }),
  analytics: analytics.optional().meta({ description: "About requests. A rule has this or metric." }),
  metric: metric.optional().meta({ description: "About apps. A rule has this or analytics." }),
  windowSeconds: seconds(60, 86_400)
    .default(300)
    .meta({ description: "What is looked at: the last so many seconds, 60 to 86,400." }),
  above: z.number().optional().meta({ description: "Beyond its bound is what is greater. A rule has this or below." }),
  below: z.number().optional().meta({ description: "Beyond its bound is what is less. A rule has this or above." }),
  forSeconds: seconds(0, 86_400)
    .default(0)
    .meta({ description: "It must be beyond its bound for this long before anybody is told." }),
  summary: z
    .string()
    .max(500, "must have at most 500 characters")
    .regex(/^[^\p{Cc}]*$/u, "must not have control characters")
    .default("")
    .meta({ description: "For those who are told: what it means, what to do." }),
  receivers: z
    .array(alertNameSchema)
    .max(10, "must be at most ten")
    .default([])
    .meta({ description: "Who is told, by name; nobody without one, the alert is shown only." }),
};

/** What no single member says: exactly one source, exactly one bound. */
export function checkAlertRule(
  rule: Pick<AlertRule, "analytics" | "metric" | "above" | "below">,
  context: Pick<z.core.$RefinementCtx, "addIssue">,
): void {
  if ((rule.analytics === undefined) === (rule.metric === undefined))
    context.addIssue({ code: "custom", message: "must have either analytics or metric" });
  if ((rule.above === undefined) === (rule.below === undefined))
    context.addIssue({ code: "custom", message: "must have either above or below" });
}

const plainRule = z.strictObject(alertRuleFields);
export const alertRuleSchema = plainRule.superRefine(checkAlertRule);
export type AlertRule = z.output<typeof plainRule>;

/** Rules of one environment. */
export const alertRulesPerEnvironment = 200;

/** The rules of one environment, as a whole. */
export const alertRulesSchema = z
  .array(alertRuleSchema)
  .max(alertRulesPerEnvironment, `must be at most ${alertRulesPerEnvironment}`)
  .superRefine((rules, context) => {
    const names = rules.map(({ name }) => name);
    for (const [place, name] of names.entries())
      if (names.indexOf(name) !== place)
        context.addIssue({ code: "custom", path: [place, "name"], message: "is there twice" });
  });

/** A file of rules for one environment, as `drawbridge alert apply` takes it. */
export const alertRuleFileSchema = z.strictObject({
  environment: alertNameSchema.optional(),
  rules: alertRulesSchema,
});

/** "above 0.05" */
export function boundText({ above, below }: Pick<AlertRule, "above" | "below">): string {
  return above === undefined ? `below ${below}` : `above ${above}`;
}
