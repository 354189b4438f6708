import type { AlertRule as AlertRuleMessage } from "@drawbridge/contracts/alerting/v1/alert_service";
import type { AlertRule } from "./alert-rule.ts";

/** On the wire between services, empty text stands for what a rule does not say. */
export function alertRuleToMessage(rule: AlertRule): AlertRuleMessage {
  const { name, analytics, metric, windowSeconds, forSeconds, above, below, summary, receivers } = rule;
  return {
    name,
    source: analytics
      ? {
          $case: "analytics",
          value: {
            figure: analytics.figure,
            api: analytics.api ?? "",
            application: analytics.application ?? "",
            by: analytics.by ?? "",
          },
        }
      : { $case: "metric", value: { figure: metric?.figure ?? "", app: metric?.app ?? "" } },
    bound: above === undefined ? { $case: "below", value: below ?? 0 } : { $case: "above", value: above },
    windowSeconds,
    forSeconds,
    summary,
    receivers: [...receivers],
  };
}

/** As `alertRuleSchema` takes it: nothing is checked here. */
export function alertRuleFromMessage({ source, bound, ...rule }: AlertRuleMessage): unknown {
  return {
    ...rule,
    ...(source && { [source.$case]: withoutEmpty(source.value) }),
    ...(bound && { [bound.$case]: bound.value }),
  };
}

function withoutEmpty(said: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== ""));
}
