import { OwnMetricKind, type OwnMetric } from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import type { z } from "zod";
import { instantOrNull, safeNumber } from "./adapters/values.ts";
import { grantedFabrics, noMonitoring, type AskedMetrics } from "./app-metrics.ts";
import type { Caller } from "./route.ts";
import type { ownMetricsSchema } from "./schemas/own-metrics.ts";
import type { RouteServices } from "./services.ts";

export interface AskedOwnMetrics extends Pick<AskedMetrics, "environment" | "app" | "fabric" | "from" | "to"> {
  readonly stepSeconds: number;
  /** Empty: all. */
  readonly metric: string;
}

type OwnMetricJson = z.output<typeof ownMetricsSchema>["items"][number];

/**
 * What an app tells of itself on the fabrics that its environment is granted to.
 * @throws DrawbridgeError as `appMetrics` does
 */
export async function ownMetrics(
  services: Pick<RouteServices, "ownMetrics" | "fabrics" | "environments" | "org">,
  asked: AskedOwnMetrics,
  { caller, signal }: { readonly caller: Pick<Caller, "bindings">; readonly signal: AbortSignal },
): Promise<OwnMetricJson[]> {
  const { environments } = services;
  if (services.ownMetrics === undefined) throw noMonitoring();
  await environments.assertExist([asked.environment]);
  const names = await grantedFabrics(services, asked, { caller, signal });
  if (names.size === 0) return [];
  const { environment, app, metric, from, to, stepSeconds } = asked;
  const question = { environment, app, metric, from, to, stepSeconds, fabricIds: [...names.keys()] };
  const answer = await services.ownMetrics.showOwnMetrics(question, { signal, idempotent: true });
  return answer.metrics.map((one) => toJson(one, names.get(one.fabricId) ?? one.fabricId));
}

function toJson({ fabricId, name, kind, method, statusClass, points }: OwnMetric, fabric: string): OwnMetricJson {
  return {
    fabric,
    fabricId,
    name,
    kind: kindOf(kind),
    method,
    statusClass,
    points: points.map(({ time, value, count }) => ({
      at: instantOrNull(time),
      value,
      count: safeNumber("count", count),
    })),
  };
}

function kindOf(kind: OwnMetricKind): OwnMetricJson["kind"] {
  if (kind === OwnMetricKind.OWN_METRIC_KIND_GAUGE) return "gauge";
  return kind === OwnMetricKind.OWN_METRIC_KIND_DISTRIBUTION ? "distribution" : "counter";
}
