import {
  OwnMetricKind,
  OwnMetricsServiceService,
  type OwnMetric,
  type ShowOwnMetricsRequest,
} from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { defineGrpcService, fieldDetail, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { OwnKind } from "../domain/own-reading.ts";
import { showRange } from "../domain/show-range.ts";
import type { OwnFilter, OwnPoint, OwnQueries } from "../metrics-store/own-queries.ts";

const kinds = {
  counter: OwnMetricKind.OWN_METRIC_KIND_COUNTER,
  gauge: OwnMetricKind.OWN_METRIC_KIND_GAUGE,
  distribution: OwnMetricKind.OWN_METRIC_KIND_DISTRIBUTION,
} as const satisfies Record<OwnKind, OwnMetricKind>;

export function createOwnMetricsRpc(deps: {
  readonly queries: OwnQueries;
  readonly clock: Pick<Clock, "now">;
}): GrpcServiceDefinition {
  return defineGrpcService(OwnMetricsServiceService, {
    allow: { showOwnMetrics: [{ service: "management-api" }] },
    handlers: {
      showOwnMetrics: async (request, { signal }) => {
        const range = showRange(request, deps.clock.now());
        return { metrics: metricsOf(await deps.queries.points(filterOf(request), range, signal)) };
      },
    },
  });
}

function filterOf({ environment, app, fabricIds, metric }: ShowOwnMetricsRequest): OwnFilter {
  for (const [name, isGiven] of Object.entries({
    environment: environment !== "",
    app: app !== "",
    fabric_ids: fabricIds.length > 0,
  })) {
    if (isGiven) continue;
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "MONITORING_QUERY_INVALID",
      message: "the question must name its environment, app and fabrics",
      details: { [fieldDetail(name)]: "must be given" },
    });
  }
  return { environment, app, fabricIds, metric };
}

/** Points are in order of their metric. */
function metricsOf(points: readonly OwnPoint[]): OwnMetric[] {
  const metrics = new Map<string, OwnMetric>();
  for (const { fabricId, metric, kind, method, statusClass, atMs, value, count } of points) {
    const key = [fabricId, metric, kind, method, statusClass].join(" ");
    let one = metrics.get(key);
    if (one === undefined) {
      metrics.set(key, (one = { fabricId, name: metric, kind: kinds[kind], method, statusClass, points: [] }));
    }
    one.points.push({ time: new Date(atMs), value, count: BigInt(count) });
  }
  return [...metrics.values()];
}
