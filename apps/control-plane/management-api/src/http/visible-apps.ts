import type { ListAppsResponse } from "@drawbridge/contracts/runtime/v1/app_service";
import type { Caller } from "./route.ts";
import { findVisibleFabric } from "./routes/fabric-routes.ts";
import type { RouteServices } from "./services.ts";
import { visibleEnvironments } from "./visible-environments.ts";

/**
 * A page of the apps that the caller may see, of one environment or fabric if those are named.
 * @throws DrawbridgeError `PERMISSION_DENIED` | `ENVIRONMENT_NOT_FOUND` | `FABRIC_NOT_FOUND` | `PAGE_TOKEN_INVALID`
 */
export async function visibleApps(
  { apps, environments, fabrics, org }: Pick<RouteServices, "apps" | "environments" | "fabrics" | "org">,
  asked: {
    readonly environment?: string | undefined;
    readonly fabric?: string | undefined;
    readonly limit: number;
    readonly pageToken: string;
  },
  { caller, signal }: { readonly caller: Pick<Caller, "bindings">; readonly signal: AbortSignal },
): Promise<ListAppsResponse> {
  const { environment, fabric, limit, pageToken } = asked;
  const visible = await visibleEnvironments(environments, caller, environment);
  if (fabric !== undefined) await findVisibleFabric({ fabrics, org }, { fabric, caller, signal });
  if (visible.length === 0) return { apps: [], nextPageToken: "" };
  return apps.listApps(
    { org, environments: [...visible], fabric: fabric ?? "", pageSize: limit, pageToken },
    { signal, idempotent: true },
  );
}
