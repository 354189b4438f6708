import type { Policy, ResourceCondition, SlaTier } from "@drawbridge/contracts/apis/v1/configuration";
import { sql } from "@drawbridge/store";
import type { Selectable, Transaction } from "kysely";
import { policyBinding, type Sealer } from "../crypto/sealer.ts";
import type { ApiManagerDatabase, ConditionJson, LimitJson, PolicyTable } from "./database.ts";
import type { Save } from "./save.ts";

/** Whether it is enforced was asked; who saved it, and when, is not in a document. */
type PolicyRow = Omit<Selectable<PolicyTable>, "org" | "enabled" | "updated_at" | "updated_by">;

/** The policies in force of each of these APIs, by API: automated ones of its environment first, then its own. */
export async function readPoliciesOf(
  { tx, org }: Pick<Save, "tx" | "org">,
  sealer: Sealer,
  apis: readonly { readonly api_id: string; readonly environment: string }[],
): Promise<ReadonlyMap<string, Policy[]>> {
  if (apis.length === 0) return new Map();
  const { rows } = await sql<PolicyRow>`
    SELECT policy_id, environment, api_id, type, name, position, configuration, kek_id, conditions, assets, version
    FROM policy
    WHERE enabled AND org = ${org} AND (
      api_id = ANY(${apis.map((api) => api.api_id)}::uuid[])
      OR (api_id IS NULL AND environment = ANY(${apis.map((api) => api.environment)}::text[])))
    ORDER BY position, policy_id
  `.execute(tx);
  const byOwner = Map.groupBy(rows, (row) => row.api_id ?? `environment ${row.environment}`);
  const converted = new Map(rows.map((row) => [row.policy_id, policyOf(sealer, row)]));
  const take = (owner: string): Policy[] =>
    (byOwner.get(owner) ?? []).flatMap((row) => converted.get(row.policy_id) ?? []);
  return new Map(apis.map((api) => [api.api_id, [...take(`environment ${api.environment}`), ...take(api.api_id)]]));
}

function policyOf(sealer: Sealer, row: PolicyRow): Policy {
  const sealed = { kekId: row.kek_id, bytes: row.configuration };
  return {
    policyId: row.policy_id,
    type: row.type,
    name: row.name,
    automated: row.api_id === null,
    order: row.position,
    configurationJson: sealer.open(sealed, policyBinding(row.policy_id, BigInt(row.version))).toString(),
    conditions: row.conditions.map(conditionFromJson),
    assets: [...row.assets],
  };
}

export function conditionFromJson(json: ConditionJson): ResourceCondition {
  const { methods, uriTemplate, regularExpression } = json;
  if (uriTemplate !== undefined) return { methods, path: { $case: "uriTemplate", value: uriTemplate } };
  if (regularExpression !== undefined) {
    return { methods, path: { $case: "regularExpression", value: regularExpression } };
  }
  return { methods, path: undefined };
}

export async function readTiersOf(
  tx: Transaction<ApiManagerDatabase>,
  apiIds: readonly string[],
): Promise<ReadonlyMap<string, SlaTier[]>> {
  if (apiIds.length === 0) return new Map();
  const { rows } = await sql<{ tier_id: string; api_id: string; name: string; limits: readonly LimitJson[] }>`
    SELECT tier_id, api_id, name, limits FROM tier WHERE api_id = ANY(${apiIds}::uuid[]) ORDER BY name COLLATE "C"
  `.execute(tx);
  const groups = Map.groupBy(rows, (row) => row.api_id);
  return new Map(
    [...groups].map(([apiId, tiers]) => [
      apiId,
      tiers.map(({ tier_id: tierId, name, limits }) => ({ tierId, name, limits: limits.map(limitFromJson) })),
    ]),
  );
}

export function limitFromJson({ requests, periodMs }: LimitJson): SlaTier["limits"][number] {
  return { requests: BigInt(requests), periodMs: BigInt(periodMs) };
}
