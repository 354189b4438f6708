import type { ContractRecord } from "@drawbridge/contracts/apis/v1/contract_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { contractStateFromJson, contractToJson, tierToJson } from "../adapters/api-json.ts";
import { apiManagerOf } from "../api-manager-of.ts";
import type { ApiManagerCalls } from "../../clients/peers.ts";
import type { ErrorCode } from "../error-catalogue.ts";
import { defineRoute, type Route } from "../route.ts";
import { apiParams, apiPath } from "../schemas/api.ts";
import { environmentName, listOf, pageQuery, uuid } from "../schemas/common.ts";
import {
  approveBody,
  contractListQuery,
  contractSchema,
  contractTierBody,
  deletedTierSchema,
  newContractBody,
  reasonBody,
  tierBody,
  tierName,
  tierSchema,
} from "../schemas/contract.ts";
import type { RouteServices } from "../services.ts";
import { visibleEnvironments } from "../visible-environments.ts";
import { apiKeyOf } from "./api-routes.ts";

const viewer = { scope: "environment", role: "viewer" } as const;
const operator = { scope: "environment", role: "operator" } as const;
const apiErrors = [
  "ENVIRONMENT_NOT_FOUND",
  "API_NOT_FOUND",
  "PEER_UNAVAILABLE",
] as const satisfies readonly ErrorCode[];

/** SLA tiers, and who may call which API. */
export function contractRoutes(services: RouteServices): readonly Route[] {
  return [...tierRoutes(services), ...requestRoutes(services), ...decisionRoutes(services)];
}

function tierRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  return [
    defineRoute({
      method: "GET",
      path: `${apiPath}/tiers`,
      action: "tier.list",
      summary: "List the SLA tiers of an API",
      permission: viewer,
      params: apiParams,
      query: pageQuery,
      responses: { 200: { description: "Tiers by name.", body: listOf(tierSchema, "A page of tiers.") } },
      errors: [...apiErrors, "PAGE_TOKEN_INVALID"],
      handle: async ({ params, query, signal }) => {
        await environments.assertExist([params.environment]);
        const request = { org, api: apiKeyOf(params), pageSize: query.limit, pageToken: query.pageToken };
        const page = await apiManagerOf(services).contracts.listTiers(request, { signal, idempotent: true });
        return { status: 200, body: { items: page.tiers.map(tierToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "PUT",
      path: `${apiPath}/tiers/{tier}`,
      action: "tier.apply",
      summary: "Make or change an SLA tier of an API",
      permission: operator,
      params: apiParams.extend({ tier: tierName }),
      body: tierBody,
      responses: { 200: { description: "The tier.", body: tierSchema } },
      errors: [...apiErrors, "TIER_INVALID", "REQUEST_ID_REUSED"],
      handle: async ({ params, body, caller, requestId, signal }) => {
        await environments.assertExist([params.environment]);
        const { description, autoApprove } = body;
        const limits = body.limits.map(({ requests, periodMs }) => ({
          requests: BigInt(requests),
          periodMs: BigInt(periodMs),
        }));
        const who = { requestId, org, requestedBy: caller.username };
        const request = { ...who, api: apiKeyOf(params), name: params.tier, description, limits, autoApprove };
        const { tier } = await apiManagerOf(services).contracts.applyTier(request, { signal, idempotent: true });
        return { status: 200, body: tierToJson(tier) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: `${apiPath}/tiers/{tier}`,
      action: "tier.delete",
      summary: "Delete an SLA tier of an API",
      description: "Refused while a contract asks for it or has it in force. Contracts that have ended lose its name.",
      permission: operator,
      params: apiParams.extend({ tier: tierName }),
      responses: { 200: { description: "It is gone.", body: deletedTierSchema } },
      errors: [...apiErrors, "TIER_NOT_FOUND", "TIER_IN_USE", "REQUEST_ID_REUSED"],
      handle: async ({ params, caller, requestId, signal }) => {
        await environments.assertExist([params.environment]);
        const who = { requestId, org, requestedBy: caller.username };
        const request = { ...who, api: apiKeyOf(params), name: params.tier };
        const { tierId } = await apiManagerOf(services).contracts.deleteTier(request, { signal, idempotent: true });
        return { status: 200, body: { tierId } };
      },
    }),
  ];
}

function requestRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  return [
    defineRoute({
      method: "GET",
      path: "/v1/contracts",
      action: "contract.list",
      summary: "List contracts, newest first",
      description: "Those of the environments in which the caller has a role.",
      permission: { scope: "any-environment", role: "viewer" },
      query: contractListQuery,
      responses: { 200: { description: "Contracts.", body: listOf(contractSchema, "A page of contracts.") } },
      errors: [...apiErrors, "CLIENT_NOT_FOUND", "PAGE_TOKEN_INVALID"],
      handle: async ({ query, caller, signal }) => {
        const asked = await visibleEnvironments(environments, caller, query.environment);
        if (asked.length === 0) return { status: 200, body: { items: [], nextPageToken: "" } };
        const { environment = "", api: name, version = "", client = "", state, limit, pageToken } = query;
        const page = await apiManagerOf(services).contracts.listContracts(
          {
            org,
            environments: [...asked],
            api: name === undefined ? undefined : { environment, name, version },
            client,
            state: contractStateFromJson(state),
            pageSize: limit,
            pageToken,
          },
          { signal, idempotent: true },
        );
        return { status: 200, body: { items: page.contracts.map(contractToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${apiPath}/contracts`,
      action: "contract.request",
      summary: "Ask for access to an API for a client application",
      description: "Approved at once where the tier or the API says so.",
      permission: operator,
      params: apiParams,
      body: newContractBody,
      responses: { 201: { description: "The contract.", body: contractSchema } },
      errors: [
        ...apiErrors,
        "CLIENT_NOT_FOUND",
        "CLIENT_REVOKED",
        "TIER_NOT_FOUND",
        "TIER_REQUIRED",
        "CONTRACT_ALREADY_EXISTS",
        "REQUEST_ID_REUSED",
      ],
      handle: async ({ params, body, caller, requestId, signal, note }) => {
        note({ client: body.client, tier: body.tier });
        await environments.assertExist([params.environment]);
        const request = { requestId, org, requestedBy: caller.username, api: apiKeyOf(params), ...body };
        const answer = await apiManagerOf(services).contracts.requestContract(request, { signal, idempotent: true });
        const contract = contractToJson(answer.contract);
        note({ contractId: contract.contractId, state: contract.state });
        return { status: 201, body: contract };
      },
    }),
  ];
}

type Decide = (
  contracts: ApiManagerCalls["contracts"],
  request: {
    readonly requestId: string;
    readonly org: string;
    readonly requestedBy: string;
    readonly contractId: string;
  },
  options: { readonly signal: AbortSignal; readonly idempotent: true },
) => Promise<{ readonly contract?: ContractRecord | undefined }>;

function decisionRoutes(services: RouteServices): readonly Route[] {
  const { environments, org } = services;
  const params = z.strictObject({ environment: environmentName, id: uuid("Id of the contract.") });

  const decision = <B extends z.ZodType>(
    verb: "approve" | "reject" | "revoke" | "tier",
    options: {
      readonly summary: string;
      readonly body: B;
      readonly errors?: readonly ErrorCode[];
      readonly decide: (body: z.output<B>) => Decide;
    },
  ): Route =>
    defineRoute({
      method: "POST",
      path: `/v1/environments/{environment}/contracts/{id}/${verb}`,
      action: `contract.${verb}`,
      summary: options.summary,
      permission: operator,
      params,
      body: options.body,
      responses: { 200: { description: "The contract.", body: contractSchema } },
      errors: [
        "ENVIRONMENT_NOT_FOUND",
        "CONTRACT_NOT_FOUND",
        "CONTRACT_STATE",
        "REQUEST_ID_REUSED",
        "PEER_UNAVAILABLE",
        ...(options.errors ?? []),
      ],
      handle: async ({ params: { environment, id }, body, caller, requestId, signal, note }) => {
        await environments.assertExist([environment]);
        const { contracts } = apiManagerOf(services);
        const idempotent = { signal, idempotent: true } as const;
        const { contract: found } = await contracts.getContract({ org, contractId: id }, idempotent);
        if (found?.api?.environment !== environment) throw contractNotFound();
        note({ client: found.clientId, api: found.api.name });
        const who = { requestId, org, requestedBy: caller.username, contractId: id };
        // The route's own schema gave the body.
        const answer = await options.decide(body as z.output<B>)(contracts, who, idempotent);
        return { status: 200, body: contractToJson(answer.contract) };
      },
    });

  return [
    decision("approve", {
      summary: "Approve a contract that was requested",
      body: approveBody,
      errors: ["TIER_NOT_FOUND", "CLIENT_REVOKED"],
      decide: (body) => (contracts, who, options) => contracts.approveContract({ ...who, ...body }, options),
    }),
    decision("reject", {
      summary: "Reject a contract that was requested",
      body: reasonBody,
      decide: (body) => (contracts, who, options) => contracts.rejectContract({ ...who, ...body }, options),
    }),
    decision("revoke", {
      summary: "Revoke a contract: gateways refuse its client within seconds",
      body: reasonBody,
      decide: (body) => (contracts, who, options) => contracts.revokeContract({ ...who, ...body }, options),
    }),
    decision("tier", {
      summary: "Give a contract in force another tier",
      body: contractTierBody,
      errors: ["TIER_NOT_FOUND", "TIER_REQUIRED"],
      decide: (body) => (contracts, who, options) => contracts.changeContractTier({ ...who, ...body }, options),
    }),
  ];
}

/** Of another environment is as good as not there. */
function contractNotFound(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "CONTRACT_NOT_FOUND",
    message: "there is no contract with this id in this environment",
  });
}
