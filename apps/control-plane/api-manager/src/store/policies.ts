import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import type { Selectable } from "kysely";
import { policyBinding, type Sealer } from "../crypto/sealer.ts";
import type { ApiManagerDatabase, ConditionJson, PolicyTable } from "./database.ts";
import { conditionFromJson } from "./read-document-parts.ts";
import type { Save } from "./save.ts";

/** What policies belong to, behind its name. */
export interface OwnerRef {
  readonly environment: string;
  /** undefined: automated policies of the environment. */
  readonly apiId: string | undefined;
}

export interface PolicyView {
  readonly policyId: string;
  readonly owner: OwnerRef;
  readonly type: string;
  readonly name: string;
  readonly position: number;
  readonly enabled: boolean;
  /** With its secrets. */
  readonly configuration: unknown;
  readonly conditions: readonly ResourceCondition[];
  readonly assets: readonly Buffer[];
  readonly version: bigint;
  readonly updatedAt: Date;
  readonly updatedBy: string;
}

export type PolicyAction = "created" | "changed" | "removed";

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

/** In the order of enforcement. */
export async function listPolicies(
  db: Reader,
  sealer: Sealer,
  org: string,
  { environment, apiId }: OwnerRef,
): Promise<readonly PolicyView[]> {
  const { rows } = await sql<Selectable<PolicyTable>>`
    SELECT * FROM policy WHERE org = ${org} AND environment = ${environment}
      AND ${apiId === undefined ? sql`api_id IS NULL` : sql`api_id = ${apiId}`}
    ORDER BY position, policy_id
  `.execute(db);
  return rows.map((row) => policyOf(sealer, row));
}

/** Newest first, of the policies that have or had this name. */
export async function listPolicyVersions(
  db: Reader,
  sealer: Sealer,
  asked: {
    readonly org: string;
    readonly owner: OwnerRef;
    readonly name: string;
    readonly before: { readonly policyId: string; readonly version: bigint } | undefined;
    readonly limit: number;
  },
): Promise<readonly { readonly policy: PolicyView; readonly action: PolicyAction }[]> {
  const { org, owner, name, before, limit } = asked;
  const { rows } = await sql<Selectable<PolicyTable> & { action: PolicyAction }>`
    SELECT * FROM policy_version WHERE org = ${org} AND environment = ${owner.environment} AND name = ${name}
      AND ${owner.apiId === undefined ? sql`api_id IS NULL` : sql`api_id = ${owner.apiId}`}
      ${before ? sql`AND (policy_id, version) < (${before.policyId}, ${before.version})` : sql``}
    ORDER BY policy_id DESC, version DESC LIMIT ${limit}
  `.execute(db);
  return rows.map((row) => ({
    // A removal is a version of its own, with the configuration of the one before.
    policy: policyOf(sealer, row, row.action === "removed" ? BigInt(row.version) - 1n : BigInt(row.version)),
    action: row.action,
  }));
}

function policyOf(sealer: Sealer, row: Selectable<PolicyTable>, sealedAs: bigint = BigInt(row.version)): PolicyView {
  const plain = sealer.open({ kekId: row.kek_id, bytes: row.configuration }, policyBinding(row.policy_id, sealedAs));
  return {
    policyId: row.policy_id,
    owner: { environment: row.environment, apiId: row.api_id ?? undefined },
    type: row.type,
    name: row.name,
    position: row.position,
    enabled: row.enabled,
    configuration: JSON.parse(plain.toString()),
    conditions: row.conditions.map(conditionFromJson),
    assets: row.assets,
    version: BigInt(row.version),
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  };
}

/** Write a policy that is new or another one now, and the version that it is. */
export async function writePolicy(
  { tx, org }: Save,
  sealer: Sealer,
  policy: PolicyView,
  action: "created" | "changed",
): Promise<void> {
  const sealed = sealer.seal(
    Buffer.from(JSON.stringify(policy.configuration)),
    policyBinding(policy.policyId, policy.version),
  );
  const row = {
    policy_id: policy.policyId,
    org,
    environment: policy.owner.environment,
    api_id: policy.owner.apiId ?? null,
    type: policy.type,
    name: policy.name,
    position: policy.position,
    enabled: policy.enabled,
    configuration: sealed.bytes,
    kek_id: sealed.kekId,
    conditions: JSON.stringify(policy.conditions.map(conditionToJson)),
    assets: [...policy.assets],
    version: policy.version,
    updated_at: policy.updatedAt,
    updated_by: policy.updatedBy,
  };
  await tx
    .insertInto("policy")
    .values(row)
    .onConflict((conflict) => conflict.column("policy_id").doUpdateSet(row))
    .execute();
  await tx
    .insertInto("policy_version")
    .values({ ...row, action })
    .execute();
}

export async function removePolicy({ tx, now, requestedBy }: Save, policyId: string): Promise<void> {
  await sql`
    INSERT INTO policy_version SELECT policy_id, version + 1, org, environment, api_id, type, name, position, enabled,
      configuration, kek_id, conditions, assets, 'removed', ${now}, ${requestedBy}
    FROM policy WHERE policy_id = ${policyId}
  `.execute(tx);
  await tx.deleteFrom("policy").where("policy_id", "=", policyId).execute();
}

/** Say that policies of this owner changed: of one API, or of every one of the environment. */
export async function notePoliciesChanged({ tx, org, changed }: Save, owner: OwnerRef): Promise<void> {
  if (owner.apiId !== undefined) {
    changed.policies(owner.apiId);
    return;
  }
  const apis = await tx
    .selectFrom("api")
    .select("api_id")
    .where("org", "=", org)
    .where("environment", "=", owner.environment)
    .execute();
  for (const { api_id: apiId } of apis) changed.policies(apiId);
}

export async function insertAsset({ tx, org, now }: Save, asset: { digest: Buffer; bytes: Buffer }): Promise<void> {
  await tx
    .insertInto("asset")
    .values({ org, ...asset, created_at: now })
    .onConflict((conflict) => conflict.columns(["org", "digest"]).doNothing())
    .execute();
}

/** Modules that are stored, of those asked for. */
export async function readAssets(
  db: Reader,
  org: string,
  digests: readonly Buffer[],
): Promise<readonly { readonly digest: Buffer; readonly bytes: Buffer }[]> {
  if (digests.length === 0) return [];
  return db
    .selectFrom("asset")
    .select(["digest", "bytes"])
    .where("org", "=", org)
    .where("digest", "=", sql<Buffer>`ANY(${digests}::bytea[])`)
    .execute();
}

function conditionToJson({ methods, path }: ResourceCondition): ConditionJson {
  if (path === undefined) return { methods };
  return path.$case === "uriTemplate"
    ? { methods, uriTemplate: path.value }
    : { methods, regularExpression: path.value };
}

export function policyNotFound(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "POLICY_NOT_FOUND",
    message: "there is no policy of this name here; list them",
  });
}
