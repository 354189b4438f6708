import { RouteServiceService } from "@drawbridge/contracts/apis/v1/route_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { Store } from "@drawbridge/store";
import { assertApiKey, assertFabricId, assertLabel } from "../domain/limits.ts";
import { getApi } from "../store/apis.ts";
import type { ApiManagerDatabase } from "../store/database.ts";
import { keepRoutes, listRoutes } from "../store/observed-routes.ts";

const apisAtOnce = 100;
const routesPerApi = 200;

/** Routes that gateways observed. */
export function createRouteRpc({
  store,
  clock,
}: {
  readonly store: Pick<Store<ApiManagerDatabase>, "db" | "transaction">;
  readonly clock: Pick<Clock, "now">;
}): GrpcServiceDefinition {
  return defineGrpcService(RouteServiceService, {
    allow: { reportRoutes: [{ service: "runtime-manager" }], listRoutes: [{ service: "management-api" }] },
    handlers: {
      reportRoutes: ({ fabricId, apis }) => {
        assertFabricId(fabricId);
        const isInBounds = apis.length <= apisAtOnce && apis.every(({ routes }) => routes.length <= routesPerApi);
        if (!isInBounds) throw routesInvalid();
        return keepRoutes(store, { fabricId, apis, now: clock.now() });
      },
      listRoutes: async ({ org, key }) => {
        const api = await getApi(store.db, assertLabel(org, "ORG_NAME_INVALID"), assertApiKey(key));
        return { observed: api.observeRoutes, routes: [...(await listRoutes(store.db, api.apiId))] };
      },
    },
  });
}

function routesInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ROUTES_INVALID",
    message: `report routes of at most ${apisAtOnce} APIs, ${routesPerApi} of each`,
  });
}
