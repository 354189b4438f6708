import { DrawbridgeError } from "@drawbridge/errors";
import type { AnalyticsCalls } from "../clients/peers.ts";
import type { RouteServices } from "./services.ts";

/** @throws DrawbridgeError `ANALYTICS_NOT_KEPT` (unimplemented): this installation has no analytics-ingest */
export function analyticsOf({ analytics }: Pick<RouteServices, "analytics">): AnalyticsCalls {
  if (analytics) return analytics;
  throw new DrawbridgeError({
    kind: "unimplemented",
    code: "ANALYTICS_NOT_KEPT",
    message: "this control plane keeps no analytics: it has no analytics-ingest, so that nothing is known of requests",
  });
}
