import { readOpenApiResources } from "@drawbridge/policies";
import type { Resource } from "../domain/binding.ts";
import type { ApiKey } from "../domain/api-key.ts";
import { fieldError } from "../domain/field-error.ts";
import { limits } from "../domain/limits.ts";
import { boundResources, getApi, listApis } from "../store/apis.ts";
import { listRoutes } from "../store/observed-routes.ts";

type Reader = Parameters<typeof getApi>[0];

/** APIs of an environment that are looked at for a warning about its automated policies. */
const apisLookedAt = 200;

/** What is known of the resources of an API, or of all of an environment; nothing where one of them is not known. */
export async function knownResources(
  db: Reader,
  org: string,
  owner: { readonly environment: string; readonly key: ApiKey | undefined },
): Promise<KnownResources> {
  if (owner.key) return resourcesOf(db, org, owner.key);
  const apis = await listApis(db, {
    org,
    environments: [owner.environment],
    name: "",
    after: undefined,
    limit: apisLookedAt + 1,
  });
  if (apis.length > apisLookedAt) return nothing;
  const all: KnownResources[] = [];
  for (const { key } of apis) {
    const known = await resourcesOf(db, org, key);
    if (known.resources.length === 0) return nothing;
    all.push(known);
  }
  // What is known least surely says how sure all of it is.
  const source = all.some((known) => known.source === "observed") ? "observed" : (all[0]?.source ?? "none");
  return { source, resources: all.flatMap(({ resources }) => resources) };
}

export interface KnownResources {
  readonly source: "openapi" | "manifest" | "observed" | "none";
  readonly resources: readonly Resource[];
}

const nothing: KnownResources = { source: "none", resources: [] };

/**
 * From its OpenAPI document, else what manifests of bound apps list, unless one of them tracks everything, else the routes
 * that gateways observed.
 */
export async function resourcesOf(db: Reader, org: string, key: ApiKey): Promise<KnownResources> {
  const { apiId, openapi } = await getApi(db, org, key);
  if (openapi !== "") return { source: "openapi", resources: openapiResources(openapi) };
  const bound = await boundResources(db, org, key);
  if (!bound.tracksAll && bound.resources.length > 0) return { source: "manifest", resources: bound.resources };
  const observed = await listRoutes(db, apiId);
  if (observed.length === 0) return nothing;
  return { source: "observed", resources: observed.map(({ method, path }) => ({ method, path })) };
}

/** @throws DrawbridgeError `OPENAPI_INVALID` (invalid_argument), with its field */
export function openapiResources(text: string): readonly Resource[] {
  const tooLarge = Buffer.byteLength(text) > limits.openapiBytes;
  const read = tooLarge ? undefined : readOpenApiResources(text);
  if (read?.outcome === "read") return read.resources;
  const message = read ? read.message : `is larger than ${limits.openapiBytes} bytes`;
  throw fieldError("OPENAPI_INVALID", [{ field: "openapi", message }]);
}
