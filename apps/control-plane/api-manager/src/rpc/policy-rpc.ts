import {
  ApplyPolicyRequest,
  ApplyPolicyResponse,
  PolicyServiceService,
  RemovePolicyRequest,
  RemovePolicyResponse,
  ReorderPoliciesRequest,
  ReorderPoliciesResponse,
  type PolicyRecord,
} from "@drawbridge/contracts/apis/v1/policy_service";
import type { IdSource } from "@drawbridge/lifecycle";
import { policyCatalogue } from "@drawbridge/policies";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import type { Sealer } from "../crypto/sealer.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertLabel } from "../domain/limits.ts";
import { redact } from "../domain/secrets.ts";
import { schemaOf } from "../policies/check-policy.ts";
import { idleWarnings } from "../policies/preview.ts";
import { knownResources } from "../policies/known-resources.ts";
import { movePolicies, savePolicy } from "../policies/save-policy.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import {
  listPolicies,
  listPolicyVersions,
  notePoliciesChanged,
  policyNotFound,
  removePolicy,
  type PolicyView,
} from "../store/policies.ts";
import { ownerText, ownerToProto, resolveOwner, type ResolvedOwner } from "./owner.ts";
import { policyTypeToProto } from "./policy-type-to-proto.ts";
import type { Write } from "./write.ts";

const managementApi = [{ service: "management-api" }] as const;

export function createPolicyRpc(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly write: Write;
  readonly sealer: Sealer;
  readonly ids: IdSource;
}): GrpcServiceDefinition {
  const { write, sealer, ids } = deps;
  const { db } = deps.store;
  return defineGrpcService(PolicyServiceService, {
    allow: {
      listPolicyTypes: managementApi,
      applyPolicy: managementApi,
      listPolicies: managementApi,
      getPolicy: managementApi,
      listPolicyVersions: managementApi,
      removePolicy: managementApi,
      reorderPolicies: managementApi,
    },
    handlers: {
      listPolicyTypes: async ({ type, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [after = ""] = readPageToken(pageToken, 1) ?? [];
        const types = [...policyCatalogue.values()]
          .filter((one) => (type === "" || one.type === type) && one.type > after)
          .toSorted((a, b) => (a.type < b.type ? -1 : 1));
        const last = types.length > limit ? types[limit - 1] : undefined;
        return {
          types: types.slice(0, limit).map(policyTypeToProto),
          nextPageToken: last ? writePageToken([last.type]) : "",
        };
      },
      applyPolicy: (request) =>
        write(request, {
          method: "ApplyPolicy",
          codec: { request: ApplyPolicyRequest, response: ApplyPolicyResponse },
          work: async (save) => {
            const owner = await resolveOwner(save.tx, save.org, request.owner);
            const { dryRun, order, enabled, ...rest } = request;
            const input = { ...rest, order, enabled, owner };
            const saved = await savePolicy(save, sealer, {
              input,
              newId: () => ids.next(),
              mode: dryRun ? "check" : "save",
            });
            const known = await knownResources(save.tx, save.org, owner);
            const idle = idleWarnings(request.conditions, known, ownerText(owner));
            return {
              policy: policyToProto(saved.policy, owner),
              changed: saved.changed,
              warnings: [...saved.warnings, ...idle],
            };
          },
        }),
      listPolicies: async ({ org, owner: asked, pageSize: size, pageToken }) => {
        const owner = await resolveOwner(db, assertLabel(org, "ORG_NAME_INVALID"), asked);
        const limit = pageSize(size, 100);
        const [from = "0"] = readPageToken(pageToken, 1) ?? [];
        const start = /^\d{1,6}$/.test(from) ? Number(from) : 0;
        const environment = { environment: owner.environment, apiId: undefined, key: undefined };
        const automated = owner.key ? await listPolicies(db, sealer, org, environment) : [];
        const own = await listPolicies(db, sealer, org, owner);
        const all = [
          ...automated.map((policy) => policyToProto(policy, environment)),
          ...own.map((policy) => policyToProto(policy, owner)),
        ];
        const end = start + limit;
        return {
          policies: all.slice(start, end),
          nextPageToken: all.length > end ? writePageToken([String(end)]) : "",
        };
      },
      getPolicy: async ({ org, owner: asked, name }) => {
        const owner = await resolveOwner(db, assertLabel(org, "ORG_NAME_INVALID"), asked);
        const policies = await listPolicies(db, sealer, org, owner);
        const found = policies.find((policy) => policy.name === name);
        if (!found) throw policyNotFound();
        return { policy: policyToProto(found, owner) };
      },
      listPolicyVersions: async ({ org, owner: asked, name, pageSize: size, pageToken }) => {
        const owner = await resolveOwner(db, assertLabel(org, "ORG_NAME_INVALID"), asked);
        const limit = pageSize(size, 20);
        const [policyId, version = ""] = readPageToken(pageToken, 2) ?? [];
        const before =
          policyId === undefined ? undefined : { policyId, version: BigInt(/^\d{1,18}$/.test(version) ? version : 0) };
        const page = await listPolicyVersions(db, sealer, { org, owner, name, before, limit: limit + 1 });
        if (page.length === 0 && before === undefined) throw policyNotFound();
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          versions: page
            .slice(0, limit)
            .map(({ policy, action }) => ({ policy: policyToProto(policy, owner), action })),
          nextPageToken: last ? writePageToken([last.policy.policyId, String(last.policy.version)]) : "",
        };
      },
      removePolicy: (request) =>
        write(request, {
          method: "RemovePolicy",
          codec: { request: RemovePolicyRequest, response: RemovePolicyResponse },
          work: async (save) => {
            const owner = await resolveOwner(save.tx, save.org, request.owner);
            const policies = await listPolicies(save.tx, sealer, save.org, owner);
            const found = policies.find((policy) => policy.name === request.name);
            if (!found) throw policyNotFound();
            await removePolicy(save, found.policyId);
            await movePolicies(
              save,
              sealer,
              policies.filter((policy) => policy !== found),
            );
            await notePoliciesChanged(save, owner);
            return { policyId: found.policyId };
          },
        }),
      reorderPolicies: (request) =>
        write(request, {
          method: "ReorderPolicies",
          codec: { request: ReorderPoliciesRequest, response: ReorderPoliciesResponse },
          work: async (save) => {
            const owner = await resolveOwner(save.tx, save.org, request.owner);
            const policies = await listPolicies(save.tx, sealer, save.org, owner);
            const order = orderOf(policies, request.names);
            const moved = await movePolicies(save, sealer, order);
            await notePoliciesChanged(save, owner);
            return { policies: moved.map((policy) => policyToProto(policy, owner)) };
          },
        }),
    },
  });
}

/** @throws DrawbridgeError `POLICY_ORDER_INVALID` (invalid_argument): not each of the policies once */
function orderOf(policies: readonly PolicyView[], names: readonly string[]): readonly PolicyView[] {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const order = names.flatMap((name) => byName.get(name) ?? []);
  const isEachOnce =
    order.length === names.length && new Set(names).size === policies.length && names.length === policies.length;
  if (isEachOnce) return order;
  const all = policies.map(({ name }) => name).join(", ");
  throw fieldError("POLICY_ORDER_INVALID", [
    { field: "names", message: `must be each of these once: ${all || "none"}` },
  ]);
}

/** Without its secrets. A type that is not in the catalogue any more shows nothing of its configuration. */
function policyToProto(policy: PolicyView, owner: ResolvedOwner): PolicyRecord {
  const shown = policyCatalogue.has(policy.type) ? redact(policy.configuration, schemaOf(policy.type)) : {};
  return {
    policyId: policy.policyId,
    owner: ownerToProto(owner),
    type: policy.type,
    name: policy.name,
    order: policy.position,
    enabled: policy.enabled,
    configurationJson: JSON.stringify(shown),
    conditions: [...policy.conditions],
    version: policy.version,
    updatedAt: policy.updatedAt,
    updatedBy: policy.updatedBy,
  };
}
