import { allRoutes } from "../../src/http/all-routes.ts";
import type { Route } from "../../src/http/route.ts";
import type { RouteServices } from "../../src/http/services.ts";

/** The routes as they are declared; none is run, so that they need nothing to work with. */
export function everyRoute(): readonly Route[] {
  return allRoutes({} as RouteServices); // declarations only name their services
}
