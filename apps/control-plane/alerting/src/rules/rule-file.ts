import { isAbsolute } from "node:path";
import { alertNameSchema, alertRuleFields, checkAlertRule } from "@drawbridge/alert-rules";
import { findUrlProblem } from "@drawbridge/policies";
import { z } from "zod";

const secretPath = z.string().refine(isAbsolute, "must be an absolute path");

const webhook = z
  .strictObject({ url: z.string().max(2_048), secretFile: secretPath, allowLoopbackHttp: z.boolean().default(false) })
  .superRefine(({ url, allowLoopbackHttp }, context) => {
    const problem = findUrlProblem(url, { allowLoopbackHttp });
    if (problem) context.addIssue({ code: "custom", path: ["url"], message: problem });
  });
const email = z.strictObject({ to: z.array(z.email()).min(1).max(20) });

const common = {
  name: alertNameSchema,
  /** Only rules of these may name it; of any without it. */
  environments: z.array(alertNameSchema).min(1).max(100).optional(),
};
const receiver = z.union([z.strictObject({ ...common, webhook }), z.strictObject({ ...common, email })], {
  error: "must have a name, and either webhook or email",
});

const plainRule = z.strictObject({ ...alertRuleFields, environment: alertNameSchema });
const rule = plainRule.superRefine(checkAlertRule);

/** The operator's file: who can be told, and rules that nobody else can change. */
export const ruleFileSchema = z
  .strictObject({ receivers: z.array(receiver).max(100).default([]), rules: z.array(rule).max(500).default([]) })
  .superRefine(({ receivers, rules }, context) => {
    for (const [list, names] of [
      ["receivers", receivers.map((one) => one.name)],
      ["rules", rules.map(ruleKey)],
    ] as const) {
      const twice = names.findIndex((one, place) => names.indexOf(one) !== place);
      if (twice !== -1) context.addIssue({ code: "custom", path: [list, twice, "name"], message: "is there twice" });
    }
    for (const { place, message } of receiverProblems(receivers, rules))
      context.addIssue({ code: "custom", path: ["rules", place, "receivers"], message });
  });

export type RuleFile = z.output<typeof ruleFileSchema>;
export type Rule = z.output<typeof plainRule>;
export type Receiver = RuleFile["receivers"][number];

/** Names of rules are their environment's. */
export function ruleKey({ environment, name }: Pick<Rule, "environment" | "name">): string {
  return `${environment}/${name}`;
}

export function figureOf({ analytics, metric }: Pick<Rule, "analytics" | "metric">): string {
  return analytics?.figure ?? metric?.figure ?? "";
}

export function mayTell({ environments }: Receiver, environment: string): boolean {
  return environments?.includes(environment) ?? true;
}

/** Rules that name somebody who is not there, or not for their environment. */
export function receiverProblems(
  receivers: readonly Receiver[],
  rules: readonly Pick<Rule, "environment" | "receivers">[],
): readonly { readonly place: number; readonly message: string }[] {
  const known = new Map(receivers.map((one) => [one.name, one]));
  return rules.flatMap(({ environment, receivers: named }, place) => {
    const missing = named.find((one) => {
      const found = known.get(one);
      return !found || !mayTell(found, environment);
    });
    return missing === undefined ? [] : [{ place, message: `there is no receiver ${missing} for ${environment}` }];
  });
}
