import type { ApiRoutes } from "@drawbridge/contracts/apis/v1/route";
import { isRouteTemplate, routeMethods, uriTemplateOfRoute } from "@drawbridge/policies";
import { sql, type Store, type Transaction } from "@drawbridge/store";
import type { Resource } from "../domain/binding.ts";
import { apiPageText, pageKey } from "../domain/page.ts";
import type { ApiManagerDatabase } from "./database.ts";

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

/** A route that gateways told. */
export interface RouteView extends Resource {
  readonly firstSeen: Date;
  /** UTC midnight of the day on which it was last told. */
  readonly lastSeen: Date;
}

/** Of an API; those seen longest ago go first. */
const routesPerApi = 200;
/** Nobody asks for it any more. */
const routeLifeDays = 90;

/**
 * Keep what the gateways of a fabric told, of APIs that an app of this fabric is bound to and that are observed now. An
 * agent is not believed: methods and templates are looked at again, words that are not known here are left out.
 */
export async function keepRoutes(
  store: Pick<Store<ApiManagerDatabase>, "transaction">,
  { fabricId, apis, now }: { readonly fabricId: string; readonly apis: readonly ApiRoutes[]; readonly now: Date },
): Promise<{ readonly kept: number; readonly leftOut: number }> {
  let kept = 0;
  // A transaction each: a change of several APIs at once, which locks them in an order of its own, never waits in a circle.
  for (const told of apis) kept += await store.transaction((tx) => keepRoutesOf(tx, { fabricId, told, now }));
  const told = apis.reduce((sum, { routes }) => sum + routes.length, 0);
  return { kept, leftOut: told - kept };
}

async function keepRoutesOf(
  tx: Transaction<ApiManagerDatabase>,
  { fabricId, told, now }: { readonly fabricId: string; readonly told: ApiRoutes; readonly now: Date },
): Promise<number> {
  const { environment, name, version } = told;
  // The lock: whoever turns observation off forgets what is kept here, or nothing is kept; and one fabric comes after the other.
  const { rows } = await sql<{ api_id: string; route_words: readonly string[] }>`
    SELECT api.api_id, route_words FROM binding JOIN api ON api.org = binding.org
      AND api.environment = binding.environment AND api.name = api_name AND api.version = api_version
    WHERE fabric_id = ${fabricId} AND page_key = ${pageKey(apiPageText(told))}::bigint
      AND binding.environment = ${environment} AND api_name = ${name} AND api_version = ${version} AND observe_routes
    LIMIT 1 FOR NO KEY UPDATE OF api
  `.execute(tx);
  const [api] = rows;
  if (api === undefined) return 0;
  const { api_id: apiId } = api;
  const words = new Set(api.route_words);
  const routes = told.routes.filter(
    ({ method, template }) => routeMethods.has(method) && isRouteTemplate(template, words),
  );
  if (routes.length === 0) return 0;
  await sql`
    INSERT INTO observed_route (api_id, method, template, first_seen_at, last_seen_on)
    SELECT DISTINCT ${apiId}::uuid, method, template, ${now}::timestamptz, (${now}::timestamptz AT TIME ZONE 'UTC')::date
    FROM unnest(${routes.map(({ method }) => method)}::text[], ${routes.map(({ template }) => template)}::text[])
      AS route (method, template)
    ON CONFLICT (api_id, method, template) DO UPDATE SET last_seen_on = excluded.last_seen_on
    WHERE observed_route.last_seen_on < excluded.last_seen_on
  `.execute(tx);
  await sql`
    DELETE FROM observed_route WHERE api_id = ${apiId} AND (method, template) IN (
      SELECT method, template FROM observed_route WHERE api_id = ${apiId}
      ORDER BY last_seen_on DESC, first_seen_at, template, method OFFSET ${routesPerApi})
  `.execute(tx);
  return routes.length;
}

/** By path and method. */
export async function listRoutes(db: Reader, apiId: string): Promise<readonly RouteView[]> {
  const { rows } = await sql<{ method: string; template: string; first_seen_at: Date; last_seen_at: Date }>`
    SELECT method, template, first_seen_at, last_seen_on::timestamp AT TIME ZONE 'UTC' AS last_seen_at
    FROM observed_route WHERE api_id = ${apiId} ORDER BY template COLLATE "C", method LIMIT ${routesPerApi}
  `.execute(db);
  return rows.map((row) => ({
    method: row.method,
    path: uriTemplateOfRoute(row.template),
    firstSeen: row.first_seen_at,
    lastSeen: row.last_seen_at,
  }));
}

export async function forgetRoutes(db: Reader, apiId: string): Promise<void> {
  await db.deleteFrom("observed_route").where("api_id", "=", apiId).execute();
}

/** Those with words that are not known any more. */
export async function forgetUnknownRoutes(db: Reader, apiId: string, words: readonly string[]): Promise<void> {
  const known = new Set(words);
  const rows = await db.selectFrom("observed_route").select("template").where("api_id", "=", apiId).execute();
  const unknown = rows.map(({ template }) => template).filter((template) => !isRouteTemplate(template, known));
  if (unknown.length === 0) return;
  await db.deleteFrom("observed_route").where("api_id", "=", apiId).where("template", "in", unknown).execute();
}

export async function forgetOldRoutes(db: Reader, now: Date): Promise<void> {
  const oldest = new Date(now.getTime() - routeLifeDays * 86_400_000);
  await sql`DELETE FROM observed_route WHERE last_seen_on < (${oldest}::timestamptz AT TIME ZONE 'UTC')::date`.execute(
    db,
  );
}
