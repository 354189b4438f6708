import type { InsightCalls } from "../clients/peers.ts";
import { analyticsOf } from "./analytics-of.ts";
import type { RouteServices } from "./services.ts";

/** @throws DrawbridgeError `ANALYTICS_NOT_KEPT` (unimplemented): this installation has nobody who keeps what is captured */
export function insightOf(services: Pick<RouteServices, "analytics" | "insight">): InsightCalls {
  analyticsOf(services);
  if (services.insight) return services.insight;
  throw new Error("analytics-ingest is there without insight");
}
