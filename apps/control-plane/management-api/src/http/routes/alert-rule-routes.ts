import { alertRuleToMessage } from "@drawbridge/alert-rules";
import { z } from "zod";
import { alertRuleToJson, textOrNull } from "../adapters/alert-json.ts";
import { instantOrNull, required } from "../adapters/values.ts";
import { alertingOf } from "../alerting-of.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, type Route } from "../route.ts";
import { alertRuleChangeSchema, alertRuleList, alertRulesBody, alertRuleStatusSchema } from "../schemas/alert.ts";
import { environmentName, nameText } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";

const path = "/v1/environments/{environment}/alert-rules";
const inEnvironment = z.strictObject({ environment: environmentName });
const ofRule = z.strictObject({ environment: environmentName, name: nameText("Name of an alert rule.") });
const viewer = { scope: "environment", role: "viewer" } as const;
const errors = [
  "ENVIRONMENT_NOT_FOUND",
  "ALERTS_NOT_INSTALLED",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

/** What is looked at, and how it stands. */
export function alertRuleRoutes(services: RouteServices): readonly Route[] {
  const { environments } = services;
  return [
    defineRoute({
      method: "GET",
      path,
      action: "alert-rule.list",
      summary: "List the alert rules of an environment and how they stand",
      permission: viewer,
      params: inEnvironment,
      responses: { 200: { description: "Rules, by name.", body: alertRuleList } },
      errors: [...errors, "ALERT_RULES_UNREADABLE"],
      handle: async ({ params: { environment }, signal }) => {
        await environments.assertExist([environment]);
        const { listRules } = alertingOf(services);
        const { rules, version, appliedAt, appliedBy, fileProblem } = await listRules(
          { environment, rule: "" },
          { signal, idempotent: true },
        );
        const body = {
          environment,
          version,
          appliedAt: instantOrNull(appliedAt),
          appliedBy: textOrNull(appliedBy),
          fileProblem: textOrNull(fileProblem),
          items: rules.map(alertRuleToJson),
        };
        return { status: 200, body };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/{name}`,
      action: "alert-rule.show",
      summary: "Show an alert rule with the figures of the last look",
      permission: viewer,
      params: ofRule,
      responses: { 200: { description: "The rule.", body: alertRuleStatusSchema } },
      errors: [...errors, "ALERT_RULE_NOT_FOUND", "ALERT_RULES_UNREADABLE"],
      handle: async ({ params: { environment, name: rule }, signal }) => {
        await environments.assertExist([environment]);
        const { rules } = await alertingOf(services).listRules({ environment, rule }, { signal, idempotent: true });
        return { status: 200, body: alertRuleToJson(required("rules", rules[0])) };
      },
    }),
    defineRoute({
      method: "PUT",
      path,
      action: "alert-rule.apply",
      summary: "Replace the alert rules of an environment",
      description:
        "As a whole, or not at all; each change is a version. Rules of the operator's file stay as they are. Receivers are named, never described: whom a rule can tell is the operator's to say.",
      // As for automated policies and analytics settings, which reach the whole environment too.
      permission: { scope: "environment", role: "operator" },
      params: inEnvironment,
      body: alertRulesBody,
      responses: { 200: { description: "What became of them.", body: alertRuleChangeSchema } },
      errors: [...errors, "ALERT_RULES_INVALID", "ALERT_RULES_CHANGED"],
      handle: async ({ params: { environment }, body, caller, signal, note }) => {
        const { rules, baseVersion, dryRun } = body;
        note({ rules: rules.map(({ name }) => name).join(" "), ...(dryRun && { dryRun: "true" }) });
        await environments.assertExist([environment]);
        const change = await alertingOf(services).applyRules(
          { environment, rules: rules.map(alertRuleToMessage), baseVersion, dryRun, requestedBy: caller.username },
          // The same again makes no version; with a version it is refused as changed, which would not be true.
          { signal, idempotent: baseVersion === undefined },
        );
        const { version, added, changed, removed } = change;
        note({ version: String(version) });
        return { status: 200, body: { environment, version, dryRun, added, changed, removed } };
      },
    }),
  ];
}
