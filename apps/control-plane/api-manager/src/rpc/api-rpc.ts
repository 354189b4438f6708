import {
  ApiServiceService,
  CreateApiRequest,
  CreateApiResponse,
  DeleteApiRequest,
  DeleteApiResponse,
  UpdateApiRequest,
  UpdateApiResponse,
  type Api,
  type ApiAnalytics,
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
import type { ApiAnalyticsName } from "../domain/analytics-setting.ts";
import { apiKeyText, type ApiKey } from "../domain/api-key.ts";
import type { Resource } from "../domain/binding.ts";
import { fieldError } from "../domain/field-error.ts";
import { assertApiKey, assertLabel, assertRouteWords, limits, textProblems } from "../domain/limits.ts";
import { openapiResources, resourcesOf, type KnownResources } from "../policies/known-resources.ts";
import { assertConditionCount, previewConditions } from "../policies/preview.ts";
import { deleteApi, getApi, insertApi, listApis, updateApi, type ApiView } from "../store/apis.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import { apiAnalyticsFromProto, apiAnalyticsToProto } from "../tree/analytics.ts";
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
            const analytics = analyticsOf(request) ?? "inherit";
            assertDescription(description);
            if (openapi !== "") openapiResources(openapi);
            await insertApi(save, { apiId: ids.next(), key, description, openapi, autoApprove, analytics });
            return { api: apiToProto(await getApi(save.tx, save.org, key)) };
          },
        }),
      updateApi: (request) =>
        write(request, {
          method: "UpdateApi",
          codec: { request: UpdateApiRequest, response: UpdateApiResponse },
          work: async (save) => {
            const key = assertApiKey(request.key);
            const { description, openapi, autoApprove, observeRoutes } = request;
            const routeWords = request.routeWords && assertRouteWords(request.routeWords.words, "API_INVALID");
            const analytics = analyticsOf(request);
            if (description !== undefined) assertDescription(description);
            if (openapi) openapiResources(openapi);
            const { apiId } = await getApi(save.tx, save.org, key);
            const update = { description, openapi, autoApprove, observeRoutes, routeWords, analytics };
            await updateApi(save, apiId, update);
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
  if (source === "observed") {
    return [`these are the routes of ${apiKeyText(key)} that were observed so far: there may be others`];
  }
  if (source !== "none") return [];
  return [
    `nothing is known of the resources of ${apiKeyText(key)}: give it an OpenAPI document, list resources in the app's manifest, have its routes observed, or give routes to try`,
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

/** undefined: it does not say. */
function analyticsOf({ analytics }: { readonly analytics?: ApiAnalytics | undefined }): ApiAnalyticsName | undefined {
  if (analytics === undefined) return undefined;
  const name = apiAnalyticsFromProto(analytics);
  if (name === undefined) throw fieldError("API_INVALID", [{ field: "analytics", message: "must be inherit or off" }]);
  return name;
}

function apiToProto(api: ApiView): Api {
  const { openapi, apps, routeWords, analytics, ...facts } = api;
  return {
    ...facts,
    hasOpenapi: openapi !== "",
    apps: [...apps],
    routeWords: [...routeWords],
    analytics: apiAnalyticsToProto(analytics),
  };
}
