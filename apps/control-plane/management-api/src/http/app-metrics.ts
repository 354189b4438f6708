import type { AppMetrics } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Caller } from "./route.ts";
import { findVisibleFabric } from "./routes/fabric-routes.ts";
import type { RouteServices } from "./services.ts";

export interface AskedMetrics {
  readonly environment: string;
  /** Empty: all. */
  readonly app: string;
  /** Name or id. */
  readonly fabric?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  readonly stepSeconds: number;
  readonly byReplica: boolean;
}

/** An app's metrics with the name of the fabric that told them. */
export interface NamedMetrics {
  readonly app: AppMetrics;
  readonly fabric: string;
}

const fabricsPerPage = 500;

/**
 * Metrics of an environment's apps. A fabric can tell of any environment, so only those are asked for that the environment
 * is granted to: what another one says is shown to nobody.
 * @throws DrawbridgeError `MONITORING_NOT_INSTALLED` | `ENVIRONMENT_NOT_FOUND` | `FABRIC_NOT_FOUND` and monitoring-ingest's own
 */
export async function appMetrics(
  services: Pick<RouteServices, "metrics" | "fabrics" | "environments" | "org">,
  asked: AskedMetrics,
  { caller, signal }: { readonly caller: Pick<Caller, "bindings">; readonly signal: AbortSignal },
): Promise<readonly NamedMetrics[]> {
  const { metrics, environments } = services;
  if (metrics === undefined) throw noMonitoring();
  await environments.assertExist([asked.environment]);
  const names = await grantedFabrics(services, asked, { caller, signal });
  if (names.size === 0) return [];
  const { app, from, to, stepSeconds, byReplica } = asked;
  const question = { environments: [asked.environment], fabricId: "", fabricIds: [...names.keys()] };
  const answer = await metrics.showApps(
    { ...question, app, from, to, stepSeconds, byReplica },
    { signal, idempotent: true },
  );
  return answer.apps.map((one) => ({ app: one, fabric: names.get(one.fabricId) ?? one.fabricId }));
}

/** Names by id of the fabrics that run the environment. */
export async function grantedFabrics(
  { fabrics, org }: Pick<RouteServices, "fabrics" | "org">,
  { environment, fabric }: Pick<AskedMetrics, "environment" | "fabric">,
  { caller, signal }: { readonly caller: Pick<Caller, "bindings">; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  if (fabric !== undefined) {
    const found = await findVisibleFabric({ fabrics, org }, { fabric, caller, signal });
    if (found.environments.includes(environment)) names.set(found.fabricId, found.name);
    return names;
  }
  let pageToken = "";
  do {
    const page = await fabrics.listFabrics({ org, pageSize: fabricsPerPage, pageToken }, { signal, idempotent: true });
    for (const found of page.fabrics)
      if (found.environments.includes(environment)) names.set(found.fabricId, found.name);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return names;
}

export function noMonitoring(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unimplemented",
    code: "MONITORING_NOT_INSTALLED",
    message: "this control plane keeps no metrics: it has no monitoring-ingest",
  });
}
