import { buildOpenApi } from "./openapi.ts";
import { definePublicRoute, type Route } from "./route.ts";
import { accountRoutes } from "./routes/account-routes.ts";
import { alertRoutes } from "./routes/alert-routes.ts";
import { alertRuleRoutes } from "./routes/alert-rule-routes.ts";
import { analyticsIntakeRoutes } from "./routes/analytics-intake-routes.ts";
import { analyticsRoutes } from "./routes/analytics-routes.ts";
import { analyticsSettingsRoutes } from "./routes/analytics-settings-routes.ts";
import { apiRoutes } from "./routes/api-routes.ts";
import { appLogRoutes } from "./routes/app-log-routes.ts";
import { appRoutes } from "./routes/app-routes.ts";
import { authorityRoutes } from "./routes/authority-routes.ts";
import { bundleRoutes } from "./routes/bundle-routes.ts";
import { apiClientRoutes } from "./routes/api-client-routes.ts";
import { captureRoutes } from "./routes/capture-routes.ts";
import { certificateRoutes } from "./routes/certificate-routes.ts";
import { contractRoutes } from "./routes/contract-routes.ts";
import { environmentRoutes } from "./routes/environment-routes.ts";
import { fabricRoutes } from "./routes/fabric-routes.ts";
import { metricsRoutes } from "./routes/metrics-routes.ts";
import { fabricTokenRoutes } from "./routes/fabric-token-routes.ts";
import { gateRoutes } from "./routes/gate-routes.ts";
import { gatekeeperRoutes } from "./routes/gatekeeper-routes.ts";
import { operationRoutes } from "./routes/operation-routes.ts";
import { policyRoutes } from "./routes/policy-routes.ts";
import { openApiSchema } from "./schemas/operations.ts";
import { recoveryRoutes } from "./routes/recovery-routes.ts";
import type { RouteServices } from "./services.ts";

/** Of the REST API; the path says the major version. */
const apiVersion = "1.0.0";

/** Every route there is. */
export function allRoutes(services: RouteServices): readonly Route[] {
  const routes: Route[] = [
    ...accountRoutes(services),
    ...environmentRoutes(services),
    ...fabricRoutes(services),
    ...metricsRoutes(services),
    ...fabricTokenRoutes(services),
    ...recoveryRoutes(services),
    ...certificateRoutes(services),
    ...authorityRoutes(services),
    ...bundleRoutes(services),
    ...appRoutes(services),
    ...appLogRoutes(services),
    ...gateRoutes(services),
    ...gatekeeperRoutes(services),
    ...apiRoutes(services),
    ...analyticsSettingsRoutes(services),
    ...analyticsRoutes(services),
    ...analyticsIntakeRoutes(services),
    ...captureRoutes(services),
    ...alertRoutes(services),
    ...alertRuleRoutes(services),
    ...policyRoutes(services),
    ...apiClientRoutes(services),
    ...contractRoutes(services),
    ...operationRoutes(services),
    definePublicRoute({
      method: "GET",
      path: "/v1/openapi.json",
      action: "openapi.show",
      summary: "Get this document",
      responses: { 200: { description: "OpenAPI 3.1.", body: openApiSchema } },
      errors: [],
      handle: async () => ({ status: 200, body: document }),
    }),
  ];
  const document = openApiSchema.parse(buildOpenApi(routes, apiVersion));
  return routes;
}
