import type { PolicyOwner } from "@drawbridge/contracts/apis/v1/policy_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { apiKeyText, type ApiKey } from "../domain/api-key.ts";
import { assertApiKey, assertLabel } from "../domain/limits.ts";
import { getApi } from "../store/apis.ts";
import type { OwnerRef } from "../store/policies.ts";
import type { Save } from "../store/save.ts";

/** What policies belong to, with the name that operators know it by. */
export interface ResolvedOwner extends OwnerRef {
  /** undefined: automated policies. */
  readonly key: ApiKey | undefined;
}

/** @throws DrawbridgeError `API_NOT_FOUND` (not_found) | `API_INVALID` | `POLICY_OWNER_MISSING` (invalid_argument) */
export async function resolveOwner(
  db: Save["tx"] | Parameters<typeof getApi>[0],
  org: string,
  owner: PolicyOwner | undefined,
): Promise<ResolvedOwner> {
  switch (owner?.owner?.$case) {
    case "api": {
      const key = assertApiKey(owner.owner.value);
      const api = await getApi(db, org, key);
      return { environment: key.environment, apiId: api.apiId, key };
    }
    case "environment":
      return {
        environment: assertLabel(owner.owner.value, "ENVIRONMENT_NAME_INVALID"),
        apiId: undefined,
        key: undefined,
      };
    case undefined:
      throw new DrawbridgeError({
        kind: "invalid_argument",
        code: "POLICY_OWNER_MISSING",
        message: "say what the policy belongs to: an API, or an environment",
      });
  }
}

export function ownerToProto({ environment, key }: ResolvedOwner): PolicyOwner {
  return { owner: key ? { $case: "api", value: key } : { $case: "environment", value: environment } };
}

export function ownerText({ environment, key }: ResolvedOwner): string {
  return key ? apiKeyText(key) : `the APIs of ${environment}`;
}
