import { z } from "zod";
import { analyticsSettingsFromJson, analyticsSettingsToJson } from "../adapters/analytics-settings-json.ts";
import { apiManagerOf } from "../api-manager-of.ts";
import { defineRoute, type Route } from "../route.ts";
import { analyticsSettingsBody, analyticsSettingsSchema } from "../schemas/analytics-settings.ts";
import { environmentName } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";

const path = "/v1/environments/{environment}/analytics/settings";
const params = z.strictObject({ environment: environmentName });

/** How much of the requests of an environment's APIs is told. */
export function analyticsSettingsRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  return [
    defineRoute({
      method: "GET",
      path,
      action: "analytics-settings.show",
      summary: "Show how much of the requests of an environment's APIs is told",
      permission: { scope: "environment", role: "viewer" },
      params,
      responses: { 200: { description: "The settings.", body: analyticsSettingsSchema } },
      errors: ["ENVIRONMENT_NOT_FOUND", "PEER_UNAVAILABLE"],
      handle: async ({ params: { environment }, signal }) => {
        await environments.assertExist([environment]);
        const request = { org, environment };
        const call = apiManagerOf(services).analyticsSettings.getAnalyticsSettings;
        const { settings } = await call(request, { signal, idempotent: true });
        return { status: 200, body: analyticsSettingsToJson(settings) };
      },
    }),
    defineRoute({
      method: "PUT",
      path,
      action: "analytics-settings.set",
      summary: "Set how much of the requests of an environment's APIs is told",
      description:
        "What is not named stays as it was. It reaches the gateways of all APIs of the environment as one change; what was told before stays told.",
      // As for automated policies, which reach every API of the environment too.
      permission: { scope: "environment", role: "operator" },
      params,
      body: analyticsSettingsBody,
      responses: { 200: { description: "The settings as they are now.", body: analyticsSettingsSchema } },
      errors: ["ENVIRONMENT_NOT_FOUND", "ANALYTICS_SETTINGS_INVALID", "REQUEST_ID_REUSED", "PEER_UNAVAILABLE"],
      handle: async ({ params: { environment }, body, caller, requestId, signal, note }) => {
        note(factsOf(body));
        await environments.assertExist([environment]);
        const change = analyticsSettingsFromJson(body);
        const request = { requestId, org, requestedBy: caller.username, environment, ...change };
        const call = apiManagerOf(services).analyticsSettings.setAnalyticsSettings;
        const { settings } = await call(request, { signal, idempotent: true });
        return { status: 200, body: analyticsSettingsToJson(settings) };
      },
    }),
  ];
}

/** What was asked for, each value: who raised what is told is a question for the audit. */
function factsOf({ routeWords, ...body }: z.output<typeof analyticsSettingsBody>): Readonly<Record<string, string>> {
  const facts = { ...body, ...(routeWords === undefined ? {} : { routeWords: routeWords.join(" ") }) };
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value)]));
}
