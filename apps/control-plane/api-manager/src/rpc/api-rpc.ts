import {
  ApiServiceService,
  CreateApiRequest,
  CreateApiResponse,
  DeleteApiRequest,
  DeleteApiResponse,
  UpdateApiRequest,
  UpdateApiResponse,
  type Api,
} from "@drawbridge/contracts/apis/v1/api_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { IdSource } from "@drawbridge/lifecycle";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import { apiKeyText, type ApiKey } from "../domain/api-key.ts";
import type { Resource } from "../domain/binding.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertApiKey, assertLabel, limits, textProblems } from "../domain/limits.ts";
import { openapiResources, resourcesOf, type KnownResources } from "../policies/known-resources.ts";
import { assertConditionCount, previewConditions } from "../policies/preview.ts";
import { deleteApi, getApi, insertApi, listApis, updateApi, type ApiView } from "../store/apis.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import type { Write } from "./write.ts";

const managementApi = [{ service: "management-api" }] as const;
const resourcesAtOnce = 2_000;

export function createApiRpc(deps: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db">;
  readonly write: Write;
  readonly ids: IdSource;
}): GrpcServiceDefinition {
  const { write, ids } = deps;
  const { db } = deps.store;

  async function knownOrGiven(org: string, key: ApiKey, given: readonly Resource[]) {
    if (given.length === 0) return resourcesOf(db, org, key);
    if (given.length > resourcesAtOnce) {
      throw fieldError("API_INVALID", [{ field: "resources", message: `must be at most ${resourcesAtOnce}` }]);
    }
    return { source: "given" as const, resources: given };
  }

  return defineGrpcService(ApiServiceService, {
    allow: {
      createApi: managementApi,
      updateApi: managementApi,
      getApi: managementApi,
      listApis: managementApi,
      deleteApi: managementApi,
      previewMatching: managementApi,
    },
    handlers: {
      createApi: (request) =>
        write(request, {
          method: "CreateApi",
          codec: { request: CreateApiRequest, response: CreateApiResponse },
          work: async (save) => {
            const key = assertApiKey(request.key);
            const { description, openapi, autoApprove } = request;
            assertDescription(description);
            if (openapi !== "") openapiResources(openapi);
            await insertApi(save, { apiId: ids.next(), key, description, openapi, autoApprove });
            return { api: apiToProto(await getApi(save.tx, save.org, key)) };
          },
        }),
      updateApi: (request) =>
        write(request, {
          method: "UpdateApi",
          codec: { request: UpdateApiRequest, response: UpdateApiResponse },
          work: async (save) => {
            const key = assertApiKey(request.key);
            const { description, openapi, autoApprove } = request;
            if (description !== undefined) assertDescription(description);
            if (openapi) openapiResources(openapi);
            const { apiId } = await getApi(save.tx, save.org, key);
            await updateApi(save, apiId, { description, openapi, autoApprove });
            return { api: apiToProto(await getApi(save.tx, save.org, key)) };
          },
        }),
      getApi: async ({ org, key, withOpenapi }) => {
        const api = await getApi(db, assertLabel(org, "ORG_NAME_INVALID"), assertApiKey(key));
        return { api: apiToProto(api), openapi: withOpenapi ? api.openapi : "" };
      },
      listApis: async ({ org, environments, name, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [environment, afterName = "", version = ""] = readPageToken(pageToken, 3) ?? [];
        const after = environment === undefined ? undefined : { environment, name: afterName, version };
        const page = await listApis(db, { org, environments, name, after, limit: limit + 1 });
        const last = page.length > limit ? page[limit - 1]?.key : undefined;
        return {
          apis: page.slice(0, limit).map(apiToProto),
          nextPageToken: last ? writePageToken([last.environment, last.name, last.version]) : "",
        };
      },
      deleteApi: (request) =>
        write(request, {
          method: "DeleteApi",
          codec: { request: DeleteApiRequest, response: DeleteApiResponse },
          work: async (save) => {
            const api = await getApi(save.tx, save.org, assertApiKey(request.key));
            if (api.apps.length > 0 && !request.force) throw apiBound(api);
            await deleteApi(save, api);
            return { apiId: api.apiId };
          },
        }),
      previewMatching: async ({ org, key: asked, resources: given, conditions }) => {
        assertConditionCount(conditions, limits.conditionsPerPolicy);
        const key = assertApiKey(asked);
        const { source, resources } = await knownOrGiven(assertLabel(org, "ORG_NAME_INVALID"), key, given);
        const preview = previewConditions(conditions, resources);
        return {
          resources: preview.resources.map(({ resource, conditions: matching }) => ({
            resource,
            conditions: [...matching],
          })),
          idleConditions: resources.length === 0 ? [] : [...preview.idle],
          source,
          warnings: [...previewWarnings(key, source)],
        };
      },
    },
  });
}

function previewWarnings(key: ApiKey, source: KnownResources["source"] | "given"): readonly string[] {
  if (source !== "none") return [];
  return [
    `nothing is known of the resources of ${apiKeyText(key)}: give it an OpenAPI document, list resources in the app's manifest, or give routes to try`,
  ];
}

function assertDescription(description: string): void {
  const problems = textProblems("description", description, { atMost: 500 });
  if (problems.length > 0) throw fieldError("API_INVALID", problems);
}

function apiBound({ key, apps }: ApiView): DrawbridgeError {
  const some = apps.slice(0, 5).map(({ appName }) => appName);
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "API_BOUND",
    message: `${apps.length} app(s) are bound to ${apiKeyText(key)} (${some.join(", ")}) and would answer 503: take it out of their manifests first, or force`,
  });
}

function apiToProto(api: ApiView): Api {
  const { openapi, apps, ...facts } = api;
  return { ...facts, hasOpenapi: openapi !== "", apps: [...apps] };
}
