import { z } from "zod";
import { apiAnalyticsFromJson } from "../adapters/analytics-settings-json.ts";
import { apiToJson, conditionFromJson, previewToJson, routesToJson } from "../adapters/api-json.ts";
import { apiManagerOf } from "../api-manager-of.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, namedInBody, type Route } from "../route.ts";
import {
  apiListQuery,
  apiParams,
  apiPath,
  apiSchema,
  changedApiBody,
  deleteApiQuery,
  newApiBody,
  openapiSchema,
  previewBody,
  previewSchema,
  routesSchema,
} from "../schemas/api.ts";
import { environmentName, listOf } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { visibleEnvironments } from "../visible-environments.ts";

const viewer = { scope: "environment", role: "viewer" } as const;
const operator = { scope: "environment", role: "operator" } as const;
const apiErrors = [
  "ENVIRONMENT_NOT_FOUND",
  "API_NOT_FOUND",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];
const changeErrors = [
  ...apiErrors,
  "REQUEST_ID_REUSED",
  "API_INVALID",
  "OPENAPI_INVALID",
] as const satisfies readonly ErrorCode[];

/** The name of an API instance in a path, as api-manager has it. */
export function apiKeyOf(params: z.output<typeof apiParams>) {
  return { environment: params.environment, name: params.api, version: params.version };
}

/** API instances. */
export function apiRoutes(services: RouteServices): readonly Route[] {
  return [...readRoutes(services), ...changeRoutes(services)];
}

function readRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/apis",
      action: "api.list",
      summary: "List API instances by environment, name and version",
      description: "Those of the environments in which the caller has a role.",
      permission: { scope: "any-environment", role: "viewer" },
      query: apiListQuery,
      responses: { 200: { description: "API instances.", body: listOf(apiSchema, "A page of API instances.") } },
      errors: ["ENVIRONMENT_NOT_FOUND", "PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const asked = await visibleEnvironments(environments, caller, query.environment);
        if (asked.length === 0) return { status: 200, body: { items: [], nextPageToken: "" } };
        const { name = "", limit, pageToken } = query;
        const page = await apiManagerOf(services).apis.listApis(
          { org, environments: [...asked], name, pageSize: limit, pageToken },
          { signal, idempotent: true },
        );
        return { status: 200, body: { items: page.apis.map(apiToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: apiPath,
      action: "api.show",
      summary: "Show an API instance",
      permission: viewer,
      params: apiParams,
      responses: { 200: { description: "The API instance.", body: apiSchema } },
      errors: apiErrors,
      handle: async ({ params, signal }) => {
        await environments.assertExist([params.environment]);
        const request = { org, key: apiKeyOf(params), withOpenapi: false };
        const { api } = await apiManagerOf(services).apis.getApi(request, { signal, idempotent: true });
        return { status: 200, body: apiToJson(api) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${apiPath}/openapi`,
      action: "api.openapi",
      summary: "The OpenAPI document of an API instance; empty if it has none",
      permission: viewer,
      params: apiParams,
      responses: { 200: { description: "The document.", body: openapiSchema } },
      errors: apiErrors,
      handle: async ({ params, signal }) => {
        await environments.assertExist([params.environment]);
        const request = { org, key: apiKeyOf(params), withOpenapi: true };
        const { openapi } = await apiManagerOf(services).apis.getApi(request, { signal, idempotent: true });
        return { status: 200, body: { openapi } };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${apiPath}/routes`,
      action: "api.routes",
      summary: "Routes of an API that gateways observed",
      description: "Templates, never paths; none unless the API is observed.",
      permission: viewer,
      params: apiParams,
      responses: { 200: { description: "The routes.", body: routesSchema } },
      errors: apiErrors,
      handle: async ({ params, signal }) => {
        await environments.assertExist([params.environment]);
        const request = { org, key: apiKeyOf(params) };
        return {
          status: 200,
          body: routesToJson(await apiManagerOf(services).routes.listRoutes(request, { signal, idempotent: true })),
        };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${apiPath}/preview`,
      action: "api.preview",
      summary: "Show which resources conditions match, before they are saved",
      description: "Changes nothing. The API need not exist if routes to try are given.",
      permission: viewer,
      audit: "refusals",
      params: apiParams,
      body: previewBody,
      responses: { 200: { description: "What they match.", body: previewSchema } },
      errors: [...apiErrors, "POLICY_INVALID", "API_INVALID"],
      handle: async ({ params, body, signal }) => {
        await environments.assertExist([params.environment]);
        const conditions = body.conditions.map(conditionFromJson);
        const request = { org, key: apiKeyOf(params), resources: body.resources, conditions };
        const preview = await apiManagerOf(services).apis.previewMatching(request, { signal, idempotent: true });
        return { status: 200, body: previewToJson(preview) };
      },
    }),
  ];
}

function changeRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  return [
    defineRoute({
      method: "POST",
      path: "/v1/environments/{environment}/apis",
      action: "api.create",
      target: namedInBody("name"),
      summary: "Create an API instance",
      description: "Apps whose manifests name it, and which answer 503 for want of it, are opened by it.",
      permission: operator,
      params: z.strictObject({ environment: environmentName }),
      body: newApiBody,
      responses: { 201: { description: "The API instance.", body: apiSchema } },
      errors: [
        "ENVIRONMENT_NOT_FOUND",
        "API_ALREADY_EXISTS",
        "API_INVALID",
        "OPENAPI_INVALID",
        "REQUEST_ID_REUSED",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        note({ api: body.name, version: body.version });
        await environments.assertExist([params.environment]);
        const { name, version, analytics: word, ...facts } = body;
        const key = { environment: params.environment, name, version };
        const analytics = apiAnalyticsFromJson(word);
        const request = { requestId, org, requestedBy: caller.username, key, ...facts, analytics };
        const { api } = await apiManagerOf(services).apis.createApi(request, { signal, idempotent: true });
        return { status: 201, body: apiToJson(api) };
      },
    }),
    defineRoute({
      method: "PATCH",
      path: apiPath,
      action: "api.update",
      summary: "Change description, OpenAPI document, approval, observation or analytics of an API instance",
      permission: operator,
      params: apiParams,
      body: changedApiBody,
      responses: { 200: { description: "The API instance.", body: apiSchema } },
      errors: changeErrors,
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        const { routeWords: words, analytics: word, ...facts } = body;
        note({ changed: Object.keys(body).toSorted().join(" "), ...(word && { analytics: word }) });
        await environments.assertExist([params.environment]);
        const changed = { ...facts, routeWords: words && { words }, analytics: word && apiAnalyticsFromJson(word) };
        const request = { requestId, org, requestedBy: caller.username, key: apiKeyOf(params), ...changed };
        const { api } = await apiManagerOf(services).apis.updateApi(request, { signal, idempotent: true });
        return { status: 200, body: apiToJson(api) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: apiPath,
      action: "api.delete",
      summary: "Delete an API instance with its policies, tiers and contracts",
      description: "Apps that are bound to it answer 503 from then on; therefore only with force if there are any.",
      permission: operator,
      params: apiParams,
      query: deleteApiQuery,
      responses: { 200: { description: "It is gone.", body: z.object({ apiId: z.string() }) } },
      errors: [...apiErrors, "API_BOUND", "REQUEST_ID_REUSED"],
      handle: async ({ params, query, caller, requestId, signal, note }) => {
        note({ force: String(query.force) });
        await environments.assertExist([params.environment]);
        const { force } = query;
        const request = { requestId, org, requestedBy: caller.username, key: apiKeyOf(params), force };
        const { apiId } = await apiManagerOf(services).apis.deleteApi(request, { signal, idempotent: true });
        return { status: 200, body: { apiId } };
      },
    }),
  ];
}
