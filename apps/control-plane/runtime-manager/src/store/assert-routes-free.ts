import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Transaction } from "kysely";
import { routeText, type AppRoute } from "../domain/app-route.ts";
import type { Written } from "./command-write.ts";
import type { RuntimeDatabase } from "./schema.ts";

/** A route that was asked for, and what another app has. */
interface Taken extends AppRoute {
  readonly name: string;
  readonly environment: string;
  readonly other_host: string;
  readonly other_path: string;
}

/**
 * No two apps of a fabric have the same host and path, and none takes requests from an app of another environment: who may
 * deploy to one environment decides nothing in the other. So a route is refused too that lies below one of another
 * environment, or whose host a wildcard of another environment stands for. Asked after the apps were written, while their
 * fabrics' rows are locked: what another change wrote before is seen, and one that comes later sees this one.
 * @throws DrawbridgeError `ROUTE_TAKEN` (already_exists) that names the other app
 */
export async function assertRoutesFree(
  tx: Transaction<RuntimeDatabase>,
  batch: readonly Pick<Written, "change" | "current">[],
): Promise<void> {
  const claims = batch.flatMap(({ change: { app }, current }) =>
    claimed(app.spec.routes, current?.spec.routes ?? []).map(({ host, path }) => ({
      app_id: app.spec.appId,
      host,
      path,
    })),
  );
  if (claims.length === 0) return;
  const { rows } = await sql<Taken>`
    SELECT claim.host, claim.path, other.name, other.environment, had.host AS other_host, had.path AS other_path
    FROM jsonb_to_recordset(${JSON.stringify(claims)}::jsonb) AS claim (app_id uuid, host text, path text)
    JOIN app ON app.app_id = claim.app_id AND app.deleted_at IS NULL
    JOIN app AS other ON other.fabric_id = app.fabric_id AND other.app_id <> app.app_id AND other.deleted_at IS NULL
    CROSS JOIN LATERAL jsonb_to_recordset(other.routes) AS had (host text, path text)
    WHERE (had.host = claim.host AND had.path = claim.path)
      OR (other.environment <> app.environment AND (
        (had.host = claim.host AND (had.path = '/' OR starts_with(claim.path, had.path || '/')))
        OR (had.host <> claim.host AND had.host = '*' || substr(claim.host, strpos(claim.host, '.')))))
    ORDER BY 1, 2, 3 LIMIT 1
  `.execute(tx);
  const [taken] = rows;
  if (taken !== undefined) throw routeTaken(taken);
}

/** Routes that were not the app's own before. */
function claimed(after: readonly AppRoute[], before: readonly AppRoute[]): readonly AppRoute[] {
  const known = new Set(before.map(routeText));
  return after.filter((route) => !known.has(routeText(route)));
}

function routeTaken(taken: Taken): DrawbridgeError {
  const { host, path, name: app, environment } = taken;
  const [asked, had] = [routeText(taken), routeText({ host: taken.other_host, path: taken.other_path })];
  const why =
    asked === had
      ? `${asked} is served by the app "${app}" in ${environment}`
      : `${asked} would take requests from the app "${app}" in ${environment}, which has ${had}`;
  return new DrawbridgeError({
    kind: "already_exists",
    code: "ROUTE_TAKEN",
    message: `${why}; choose another host or path, or take it from that app first`,
    details: { host, path, app, environment },
  });
}
