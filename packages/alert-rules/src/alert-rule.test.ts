import { expect, test } from "vitest";
import { alertRuleFromMessage, alertRuleToMessage } from "./alert-rule-message.ts";
import { type AlertRule, alertRuleSchema, alertRulesSchema } from "./alert-rule.ts";

const rule = (rest: Partial<AlertRule>): unknown => ({ name: "r", ...rest });

test.each([
  rule({ analytics: { figure: "error-rate", by: "api" }, above: 0.05, receivers: ["on-call"], summary: "Look." }),
  rule({ analytics: { figure: "requests", api: "orders", application: "shop" }, below: 1, windowSeconds: 900 }),
  rule({ metric: { figure: "memory-share", app: "orders" }, above: 0.9, forSeconds: 600 }),
  rule({ metric: { figure: "errors" }, above: 0 }),
])("a rule is the same on the other side of the wire: %j", (said) => {
  const read = alertRuleSchema.parse(said);
  expect(alertRuleSchema.parse(alertRuleFromMessage(alertRuleToMessage(read)))).toEqual(read);
});

test("a message without a source or bound is no rule", () => {
  const message = alertRuleToMessage(alertRuleSchema.parse(rule({ metric: { figure: "errors" }, above: 0 })));
  for (const part of ["source", "bound"])
    expect(alertRuleSchema.safeParse(alertRuleFromMessage({ ...message, [part]: undefined })).success).toBe(false);
});

test("of two rules with one name the second is named as wrong", () => {
  const one = rule({ metric: { figure: "errors" }, above: 0 });
  expect(alertRulesSchema.safeParse([one, one]).error?.issues).toMatchObject([{ path: [1, "name"] }]);
});
