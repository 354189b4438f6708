import type { Api, PreviewMatchingResponse } from "@drawbridge/contracts/apis/v1/api_service";
import type { ClientApplication } from "@drawbridge/contracts/apis/v1/client_service";
import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { ContractState, type ContractRecord, type TierRecord } from "@drawbridge/contracts/apis/v1/contract_service";
import type { PolicyRecord, PolicyType } from "@drawbridge/contracts/apis/v1/policy_service";
import type { ListRoutesResponse } from "@drawbridge/contracts/apis/v1/route_service";
import type { z } from "zod";
import type { apiSchema, conditionSchema, previewSchema, routesSchema } from "../schemas/api.ts";
import type { clientSchema, contractSchema, tierSchema } from "../schemas/contract.ts";
import type { policySchema, policyTypeSchema } from "../schemas/policy.ts";
import { apiAnalyticsToJson } from "./analytics-settings-json.ts";
import { instantOrNull, required, requiredInstant, safeNumber } from "./values.ts";

const openToEverybody =
  "open: no policies are in force, so that whoever reaches it may call it; automated policies of the environment hold for every API from its first moment on";

export function apiToJson(api: Api | undefined): z.output<typeof apiSchema> {
  const { org: _org, key, apps, revision, createdAt, updatedAt, ...facts } = required("api", api);
  const { environment, name, version } = required("key", key);
  return {
    ...facts,
    environment,
    name,
    version,
    analytics: apiAnalyticsToJson(facts.analytics),
    revision: safeNumber("revision", revision),
    warnings: facts.policiesInForce > 0 ? [] : [openToEverybody],
    apps: apps.map(({ fabricId, appId, appName, basePath }) => ({ fabricId, appId, appName, basePath })),
    createdAt: requiredInstant("created_at", createdAt),
    updatedAt: requiredInstant("updated_at", updatedAt),
  };
}

export function routesToJson({ observed, routes }: ListRoutesResponse): z.output<typeof routesSchema> {
  return {
    observed,
    routes: routes.map(({ method, path, firstSeen, lastSeen }) => ({
      method,
      path,
      firstSeen: requiredInstant("first_seen", firstSeen),
      lastSeen: requiredInstant("last_seen", lastSeen),
    })),
  };
}

export function previewToJson(preview: PreviewMatchingResponse): z.output<typeof previewSchema> {
  const { resources, idleConditions, source, warnings } = preview;
  return {
    resources: resources.map(({ resource, conditions }) => {
      const { method, path } = required("resource", resource);
      return { method, path, conditions };
    }),
    idleConditions,
    source: sourceOf(source),
    warnings,
  };
}

function sourceOf(source: string): z.output<typeof previewSchema>["source"] {
  const known = ["openapi", "manifest", "observed", "given"] as const;
  return known.find((one) => one === source) ?? "none";
}

export function conditionFromJson(condition: z.output<typeof conditionSchema>): ResourceCondition {
  const { methods, uriTemplate, regularExpression } = condition;
  if (uriTemplate !== undefined) return { methods, path: { $case: "uriTemplate", value: uriTemplate } };
  return { methods, path: { $case: "regularExpression", value: regularExpression ?? "" } };
}

function conditionToJson({ methods, path }: ResourceCondition) {
  if (path === undefined) return { methods };
  return path.$case === "uriTemplate"
    ? { methods, uriTemplate: path.value }
    : { methods, regularExpression: path.value };
}

export function policyTypeToJson(type: PolicyType): z.output<typeof policyTypeSchema> {
  const { schemaJson, ...facts } = type;
  return { ...facts, schema: jsonObject(schemaJson) };
}

export function policyToJson(policy: PolicyRecord | undefined): z.output<typeof policySchema> {
  const record = required("policy", policy);
  const owner = required("owner", record.owner?.owner);
  const key = owner.$case === "api" ? owner.value : undefined;
  return {
    policyId: record.policyId,
    environment: owner.$case === "api" ? owner.value.environment : owner.value,
    api: key?.name ?? null,
    apiVersion: key?.version ?? null,
    type: record.type,
    name: record.name,
    order: record.order,
    enabled: record.enabled,
    configuration: jsonObject(record.configurationJson),
    conditions: record.conditions.map(conditionToJson),
    version: safeNumber("version", record.version),
    updatedAt: requiredInstant("updated_at", record.updatedAt),
    updatedBy: record.updatedBy,
  };
}

/** api-manager keeps objects only. */
function jsonObject(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("a peer sent no object");
  return Object.fromEntries(Object.entries(value));
}

export function clientToJson(client: ClientApplication | undefined): z.output<typeof clientSchema> {
  const { secrets, createdAt, revokedAt, ...facts } = required("client", client);
  return {
    ...facts,
    secrets: secrets.map((secret) => ({
      secretId: secret.secretId,
      createdAt: requiredInstant("created_at", secret.createdAt),
      notAfter: instantOrNull(secret.notAfter),
    })),
    createdAt: requiredInstant("created_at", createdAt),
    revokedAt: instantOrNull(revokedAt),
  };
}

export function tierToJson(tier: TierRecord | undefined): z.output<typeof tierSchema> {
  const { limits, autoApprove, ...facts } = required("tier", tier);
  return {
    ...facts,
    limits: limits.map(({ requests, periodMs }) => ({
      requests: safeNumber("requests", requests),
      periodMs: safeNumber("period_ms", periodMs),
    })),
    autoApprove: autoApprove ?? null,
  };
}

const states = {
  [ContractState.CONTRACT_STATE_UNSPECIFIED]: undefined,
  [ContractState.UNRECOGNIZED]: undefined,
  [ContractState.CONTRACT_STATE_REQUESTED]: "requested",
  [ContractState.CONTRACT_STATE_APPROVED]: "approved",
  [ContractState.CONTRACT_STATE_REJECTED]: "rejected",
  [ContractState.CONTRACT_STATE_REVOKED]: "revoked",
} as const;

export function contractStateFromJson(state: z.output<typeof contractSchema>["state"] | undefined): ContractState {
  const found = Object.entries(contractStateValues).find(([name]) => name === state);
  return found?.[1] ?? ContractState.CONTRACT_STATE_UNSPECIFIED;
}

const contractStateValues = {
  requested: ContractState.CONTRACT_STATE_REQUESTED,
  approved: ContractState.CONTRACT_STATE_APPROVED,
  rejected: ContractState.CONTRACT_STATE_REJECTED,
  revoked: ContractState.CONTRACT_STATE_REVOKED,
} as const;

export function contractToJson(contract: ContractRecord | undefined): z.output<typeof contractSchema> {
  const { api, state, requestedAt, decidedAt, ...facts } = required("contract", contract);
  const { environment, name, version } = required("api", api);
  return {
    ...facts,
    environment,
    api: name,
    version,
    state: required("state", states[state]),
    requestedAt: requiredInstant("requested_at", requestedAt),
    decidedAt: instantOrNull(decidedAt),
  };
}
