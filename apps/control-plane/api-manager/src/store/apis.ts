import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import { type ApiAnalyticsName, defaultAnalytics } from "../domain/analytics-setting.ts";
import { apiKeyText, type ApiKey } from "../domain/api-key.ts";
import type { Resource } from "../domain/binding.ts";
import { stopCapturesOf } from "./captures.ts";
import type { ApiManagerDatabase } from "./database.ts";
import { forgetRoutes, forgetUnknownRoutes } from "./observed-routes.ts";
import type { Save } from "./save.ts";

/** An API instance as operators see it. */
export interface ApiView {
  readonly apiId: string;
  readonly org: string;
  readonly key: ApiKey;
  readonly description: string;
  readonly autoApprove: boolean;
  readonly openapi: string;
  /** Gateways report which routes its apps answer. */
  readonly observeRoutes: boolean;
  /** Lower case, besides the common ones. */
  readonly routeWords: readonly string[];
  /** What it says of its environment's analytics. */
  readonly analytics: ApiAnalyticsName;
  /** Gateways tell its requests. */
  readonly analyticsTold: boolean;
  readonly revision: bigint;
  readonly policies: number;
  /** Enabled ones, those of its environment too. */
  readonly policiesInForce: number;
  readonly contracts: number;
  readonly apps: readonly BoundAppView[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly updatedBy: string;
}

export interface BoundAppView {
  readonly fabricId: string;
  readonly appId: string;
  readonly appName: string;
  readonly basePath: string;
}

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

/** @throws DrawbridgeError `API_NOT_FOUND` (not_found) */
export async function getApi(db: Reader, org: string, key: ApiKey): Promise<ApiView> {
  const [api] = await readApis(
    db,
    sql`
    org = ${org} AND environment = ${key.environment} AND name = ${key.name} AND version = ${key.version}
  `,
  );
  if (!api) throw apiNotFound(key);
  return api;
}

export async function listApis(
  db: Reader,
  asked: {
    readonly org: string;
    /** None: all. */
    readonly environments: readonly string[];
    readonly name: string;
    readonly after: ApiKey | undefined;
    readonly limit: number;
  },
): Promise<readonly ApiView[]> {
  const { org, environments, name, after, limit } = asked;
  return readApis(
    db,
    sql`org = ${org}
      AND (cardinality(${environments}::text[]) = 0 OR environment = ANY(${environments}::text[]))
      AND (${name} = '' OR name = ${name})
      ${after ? sql`AND (environment, name, version) > (${after.environment}, ${after.name}, ${after.version})` : sql``}
      ORDER BY environment, name, version LIMIT ${limit}`,
  );
}

async function readApis(db: Reader, where: ReturnType<typeof sql>): Promise<readonly ApiView[]> {
  const { rows } = await sql<{
    api_id: string;
    org: string;
    environment: string;
    name: string;
    version: string;
    description: string;
    openapi: string;
    auto_approve: boolean;
    observe_routes: boolean;
    route_words: readonly string[];
    analytics: ApiAnalyticsName;
    analytics_on: boolean | null;
    revision: string;
    contract_count: number;
    policies: string;
    policies_in_force: string;
    apps: readonly BoundAppView[] | null;
    created_at: Date;
    updated_at: Date;
    updated_by: string;
  }>`
    SELECT page.*,
      (SELECT count(*) FROM policy WHERE policy.api_id = page.api_id) AS policies,
      (SELECT count(*) FROM policy WHERE enabled AND policy.api_id = page.api_id) + (SELECT count(*) FROM policy
        WHERE enabled AND policy.api_id IS NULL AND policy.org = page.org AND policy.environment = page.environment
      ) AS policies_in_force,
      (SELECT is_on FROM analytics_setting WHERE analytics_setting.org = page.org
        AND analytics_setting.environment = page.environment) AS analytics_on,
      (SELECT jsonb_agg(jsonb_build_object('fabricId', fabric_id, 'appId', app_id, 'appName', app_name, 'basePath', base_path)
          ORDER BY app_name, fabric_id, place)
        FROM binding WHERE binding.org = page.org AND binding.environment = page.environment
          AND api_name = page.name AND api_version = page.version) AS apps
    FROM (SELECT * FROM api WHERE ${where}) AS page ORDER BY page.environment, page.name, page.version
  `.execute(db);
  return rows.map((row) => ({
    apiId: row.api_id,
    org: row.org,
    key: { environment: row.environment, name: row.name, version: row.version },
    description: row.description,
    autoApprove: row.auto_approve,
    openapi: row.openapi,
    observeRoutes: row.observe_routes,
    routeWords: row.route_words,
    analytics: row.analytics,
    analyticsTold: row.analytics === "inherit" && (row.analytics_on ?? defaultAnalytics.isOn),
    revision: BigInt(row.revision),
    policies: Number(row.policies),
    policiesInForce: Number(row.policies_in_force),
    contracts: row.contract_count,
    apps: row.apps ?? [],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
  }));
}

export interface NewApi {
  readonly apiId: string;
  readonly key: ApiKey;
  readonly description: string;
  readonly openapi: string;
  readonly autoApprove: boolean;
  readonly analytics: ApiAnalyticsName;
}

/** @throws DrawbridgeError `API_ALREADY_EXISTS` (already_exists) */
export async function insertApi({ tx, org, now, requestedBy, changed }: Save, api: NewApi): Promise<void> {
  const { apiId, key, description, openapi, autoApprove, analytics } = api;
  try {
    await tx
      .insertInto("api")
      .values({
        api_id: apiId,
        org,
        ...key,
        description,
        openapi,
        auto_approve: autoApprove,
        observe_routes: false,
        route_words: [],
        analytics,
        revision: 1,
        document_digest: Buffer.alloc(0),
        contract_count: 0,
        created_at: now,
        updated_at: now,
        updated_by: requestedBy,
      })
      .execute();
  } catch (error) {
    throw isDrawbridgeError(error, "STORE_UNIQUE_VIOLATION") ? apiAlreadyExists(key, error) : error;
  }
  changed.policies(apiId);
  changed.api(key);
}

export interface ApiUpdate {
  readonly description?: string | undefined;
  readonly openapi?: string | undefined;
  readonly autoApprove?: boolean | undefined;
  readonly observeRoutes?: boolean | undefined;
  readonly routeWords?: readonly string[] | undefined;
  readonly analytics?: ApiAnalyticsName | undefined;
}

/** What is not given stays. Of it only what is observed and told is in the document that gateways get. */
export async function updateApi(
  { tx, now, requestedBy, changed }: Save,
  apiId: string,
  { description, openapi, autoApprove, observeRoutes, routeWords, analytics }: ApiUpdate,
): Promise<void> {
  await tx
    .updateTable("api")
    .set({
      ...(description === undefined ? {} : { description }),
      ...(openapi === undefined ? {} : { openapi }),
      ...(autoApprove === undefined ? {} : { auto_approve: autoApprove }),
      ...(observeRoutes === undefined ? {} : { observe_routes: observeRoutes }),
      ...(routeWords === undefined ? {} : { route_words: routeWords }),
      ...(analytics === undefined ? {} : { analytics }),
      updated_at: now,
      updated_by: requestedBy,
    })
    .where("api_id", "=", apiId)
    .execute();
  if (observeRoutes === false) await forgetRoutes(tx, apiId);
  if (routeWords !== undefined) await forgetUnknownRoutes(tx, apiId, routeWords);
  if (observeRoutes !== undefined || routeWords !== undefined) changed.policies(apiId);
  if (analytics !== undefined) changed.facts(apiId);
}

/** With policies, tiers and contracts; the versions of its policies stay, and what was captured of it can still be read. */
export async function deleteApi(save: Save, api: ApiView): Promise<void> {
  const { tx, edition, now, requestedBy, changed } = save;
  await stopCapturesOf(save, api.apiId);
  await sql`
    INSERT INTO policy_version SELECT policy_id, version + 1, org, environment, api_id, type, name, position, enabled,
      configuration, kek_id, conditions, assets, 'removed', ${now}, ${requestedBy}
    FROM policy WHERE api_id = ${api.apiId}
  `.execute(tx);
  await tx.deleteFrom("api").where("api_id", "=", api.apiId).execute();
  await sql`
    UPDATE api_object SET left_edition = ${edition} WHERE api_id = ${api.apiId} AND left_edition IS NULL
  `.execute(tx);
  changed.api(api.key);
}

/** What the manifests of bound apps list of an API's resources, and whether one of them tracks everything below its base path. */
export async function boundResources(
  db: Reader,
  org: string,
  { environment, name, version }: ApiKey,
): Promise<{ readonly resources: readonly Resource[]; readonly tracksAll: boolean }> {
  const rows = await db
    .selectFrom("binding")
    .select("resources")
    .where("org", "=", org)
    .where("environment", "=", environment)
    .where("api_name", "=", name)
    .where("api_version", "=", version)
    .orderBy("fabric_id")
    .orderBy("place")
    .limit(1_000)
    .execute();
  const distinct = new Map(
    rows.flatMap((row) => row.resources.map((resource) => [`${resource.method} ${resource.path}`, resource])),
  );
  return { resources: [...distinct.values()], tracksAll: rows.some((row) => row.resources.length === 0) };
}

function apiNotFound(key: ApiKey): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "API_NOT_FOUND",
    message: `there is no API ${apiKeyText(key)}; list them, or create it`,
  });
}

function apiAlreadyExists(key: ApiKey, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "already_exists",
    code: "API_ALREADY_EXISTS",
    message: `there is an API ${apiKeyText(key)} already`,
    cause,
  });
}
