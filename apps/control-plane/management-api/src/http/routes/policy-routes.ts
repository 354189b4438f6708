import type { PolicyOwner } from "@drawbridge/contracts/apis/v1/policy_service";
import { z } from "zod";
import { conditionFromJson, policyToJson, policyTypeToJson } from "../adapters/api-json.ts";
import { apiManagerOf } from "../api-manager-of.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, type Route } from "../route.ts";
import { apiParams, apiPath } from "../schemas/api.ts";
import { environmentName, listOf, pageQuery } from "../schemas/common.ts";
import {
  policyBody,
  policyName,
  policyOrderBody,
  policySchema,
  policyTypeQuery,
  policyTypeSchema,
  policyVersionSchema,
  removedPolicySchema,
  savedPolicySchema,
} from "../schemas/policy.ts";
import type { RouteServices } from "../services.ts";
import { apiKeyOf } from "./api-routes.ts";

const viewer = { scope: "environment", role: "viewer" } as const;
const operator = { scope: "environment", role: "operator" } as const;
const readErrors = [
  "ENVIRONMENT_NOT_FOUND",
  "API_NOT_FOUND",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];
const changeErrors = [...readErrors, "POLICY_NOT_FOUND", "REQUEST_ID_REUSED"] as const satisfies readonly ErrorCode[];

/** The catalogue, policies of APIs, and automated policies of environments. */
export function policyRoutes(services: RouteServices): readonly Route[] {
  return [
    typesRoute(services),
    ...routesOf(services, {
      noun: "policy",
      what: "of an API",
      path: `${apiPath}/policies`,
      orderPath: `${apiPath}/policy-order`,
      params: apiParams,
    }),
    ...routesOf(services, {
      noun: "automated-policy",
      what: "of every API of an environment",
      path: "/v1/environments/{environment}/automated-policies",
      orderPath: "/v1/environments/{environment}/automated-policy-order",
      params: z.strictObject({ environment: environmentName }),
    }),
  ];
}

function typesRoute(services: RouteServices): Route {
  return defineRoute({
    method: "GET",
    path: "/v1/policy-types",
    action: "policy-type.list",
    summary: "List policy types with the JSON Schema of their configuration",
    permission: { scope: "user" },
    query: policyTypeQuery,
    responses: { 200: { description: "Types by name.", body: listOf(policyTypeSchema, "A page of policy types.") } },
    errors: ["PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
    handle: async ({ query, signal }) => {
      const request = { type: query.type ?? "", pageSize: query.limit, pageToken: query.pageToken };
      const page = await apiManagerOf(services).policies.listPolicyTypes(request, { signal, idempotent: true });
      return { status: 200, body: { items: page.types.map(policyTypeToJson), nextPageToken: page.nextPageToken } };
    },
  });
}

interface OwnerSpec {
  readonly noun: "policy" | "automated-policy";
  /** In words. */
  readonly what: string;
  readonly path: string;
  /** Beside them: any name may be a policy's. */
  readonly orderPath: string;
  /** Of the path, without the policy. */
  readonly params: z.ZodObject;
}

/** What any of the paths may name: parsed once by the route's own schema, which has only some of it. */
const named = z.object({
  environment: z.string(),
  api: z.string().optional(),
  version: z.string().optional(),
  policy: z.string().default(""),
});

function ownerOf(params: unknown): {
  readonly environment: string;
  readonly name: string;
  readonly owner: PolicyOwner;
} {
  const { environment, api, version, policy: name } = named.parse(params);
  if (api === undefined || version === undefined) {
    return { environment, name, owner: { owner: { $case: "environment", value: environment } } };
  }
  return { environment, name, owner: { owner: { $case: "api", value: apiKeyOf({ environment, api, version }) } } };
}

/** The same routes for both that policies may belong to. */
function routesOf(services: RouteServices, spec: OwnerSpec): readonly Route[] {
  return [...readRoutes(services, spec), ...changeRoutes(services, spec)];
}

function readRoutes(services: RouteServices, { noun, what, path, params: schema }: OwnerSpec): readonly Route[] {
  const { environments, org } = services;
  const onePolicy = schema.extend({ policy: policyName });
  return [
    defineRoute({
      method: "GET",
      path,
      action: `${noun}.list`,
      summary: `List the policies ${what}, in the order of enforcement`,
      permission: viewer,
      params: schema,
      query: pageQuery,
      responses: { 200: { description: "Policies.", body: listOf(policySchema, "A page of policies.") } },
      errors: [...readErrors, "PAGE_TOKEN_INVALID"],
      handle: async ({ params, query, signal }) => {
        const { environment, owner } = ownerOf(params);
        await environments.assertExist([environment]);
        const request = { org, owner, pageSize: query.limit, pageToken: query.pageToken };
        const page = await apiManagerOf(services).policies.listPolicies(request, { signal, idempotent: true });
        return { status: 200, body: { items: page.policies.map(policyToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/{policy}`,
      action: `${noun}.show`,
      summary: `Show a policy ${what}`,
      permission: viewer,
      params: onePolicy,
      responses: { 200: { description: "The policy.", body: policySchema } },
      errors: [...readErrors, "POLICY_NOT_FOUND"],
      handle: async ({ params, signal }) => {
        const { environment, owner, name } = ownerOf(params);
        await environments.assertExist([environment]);
        const request = { org, owner, name };
        const { policy } = await apiManagerOf(services).policies.getPolicy(request, { signal, idempotent: true });
        return { status: 200, body: policyToJson(policy) };
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/{policy}/versions`,
      action: `${noun}.history`,
      summary: `List the versions of a policy ${what}, newest first, also of one that was removed`,
      permission: viewer,
      params: onePolicy,
      query: pageQuery,
      responses: { 200: { description: "Versions.", body: listOf(policyVersionSchema, "A page of versions.") } },
      errors: [...readErrors, "POLICY_NOT_FOUND", "PAGE_TOKEN_INVALID"],
      handle: async ({ params, query, signal }) => {
        const { environment, owner, name } = ownerOf(params);
        await environments.assertExist([environment]);
        const request = { org, owner, name, pageSize: query.limit, pageToken: query.pageToken };
        const page = await apiManagerOf(services).policies.listPolicyVersions(request, { signal, idempotent: true });
        const items = page.versions.map((version) => ({
          action: actionOf(version.action),
          policy: policyToJson(version.policy),
        }));
        return { status: 200, body: { items, nextPageToken: page.nextPageToken } };
      },
    }),
  ];
}

function actionOf(action: string): z.output<typeof policyVersionSchema>["action"] {
  return action === "created" || action === "removed" ? action : "changed";
}

function changeRoutes(services: RouteServices, spec: OwnerSpec): readonly Route[] {
  const { environments, org } = services;
  const { noun, what, path, orderPath, params: schema } = spec;
  const onePolicy = schema.extend({ policy: policyName });
  return [
    defineRoute({
      method: "PUT",
      path: `${path}/{policy}`,
      action: `${noun}.apply`,
      summary: `Make or change a policy ${what}`,
      description:
        "Everything is checked before anything is saved, as gateways would check it; a save that fails changes nothing and names each field.",
      permission: operator,
      params: onePolicy,
      body: policyBody,
      responses: { 200: { description: "What was saved.", body: savedPolicySchema } },
      errors: [
        ...readErrors,
        "POLICY_INVALID",
        "POLICY_TYPE_UNKNOWN",
        "POLICY_TYPE_FIXED",
        "POLICY_CHANGED",
        "REQUEST_ID_REUSED",
      ],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        const { environment, owner, name } = ownerOf(params);
        const { type, order, enabled, dryRun, modules } = body;
        note({ type, ...(dryRun ? { dryRun: "true" } : {}) });
        await environments.assertExist([environment]);
        const request = {
          requestId,
          org,
          requestedBy: caller.username,
          owner,
          type,
          name,
          order,
          enabled,
          dryRun,
          configurationJson: JSON.stringify(body.configuration),
          conditions: body.conditions.map(conditionFromJson),
          baseVersion: BigInt(body.baseVersion),
          assets: modules.map((module) => Buffer.from(module, "base64")),
        };
        const saved = await apiManagerOf(services).policies.applyPolicy(request, { signal, idempotent: true });
        const { changed, warnings } = saved;
        const policy = policyToJson(saved.policy);
        note({ changed: String(changed), version: String(policy.version) });
        return { status: 200, body: { policy, changed, warnings } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${path}/{policy}`,
      action: `${noun}.remove`,
      summary: `Remove a policy ${what}`,
      permission: operator,
      params: onePolicy,
      responses: { 200: { description: "It is gone.", body: removedPolicySchema } },
      errors: changeErrors,
      handle: async ({ params, caller, requestId, signal }) => {
        const { environment, owner, name } = ownerOf(params);
        await environments.assertExist([environment]);
        const request = { requestId, org, requestedBy: caller.username, owner, name };
        const { policyId } = await apiManagerOf(services).policies.removePolicy(request, { signal, idempotent: true });
        return { status: 200, body: { policyId } };
      },
    }),
    defineRoute({
      method: "PUT",
      path: orderPath,
      action: `${noun}.reorder`,
      summary: `Give the policies ${what} another order`,
      permission: operator,
      params: schema,
      body: policyOrderBody,
      responses: { 200: { description: "All of them.", body: listOf(policySchema, "The policies in their order.") } },
      errors: [...readErrors, "POLICY_ORDER_INVALID", "REQUEST_ID_REUSED"],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        const { environment, owner } = ownerOf(params);
        note({ order: body.names.join(" ") });
        await environments.assertExist([environment]);
        const request = { requestId, org, requestedBy: caller.username, owner, names: body.names };
        const { policies } = await apiManagerOf(services).policies.reorderPolicies(request, {
          signal,
          idempotent: true,
        });
        return { status: 200, body: { items: policies.map(policyToJson), nextPageToken: "" } };
      },
    }),
  ];
}
