import { type Collector, CollectorServiceService } from "@drawbridge/contracts/monitoring/v1/collector_service";
import {
  type AppMetrics,
  MetricsServiceService,
  type ShowAppsRequest,
} from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { type OwnMetric, OwnMetricsServiceService } from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

/** Collectors in memory, by fabric; metrics as the test has them, and what was asked. */
export function standInMonitoringIngest(): {
  readonly services: readonly GrpcServiceDefinition[];
  readonly collectors: Map<string, Collector>;
  readonly metrics: { readonly apps: AppMetrics[]; readonly own: OwnMetric[]; readonly asked: ShowAppsRequest[] };
} {
  const metrics: ReturnType<typeof standInMonitoringIngest>["metrics"] = { apps: [], own: [], asked: [] };
  const showsOwn = defineGrpcService(OwnMetricsServiceService, {
    allow: { showOwnMetrics: [{ service: "management-api" }] },
    handlers: {
      showOwnMetrics: async ({ fabricIds, metric }) => ({
        metrics: metrics.own.filter(
          ({ fabricId, name }) => fabricIds.includes(fabricId) && (metric === "" || metric === name),
        ),
      }),
    },
  });
  const shows = defineGrpcService(MetricsServiceService, {
    allow: { showApps: [{ service: "management-api" }] },
    handlers: {
      showApps: async (request) => {
        metrics.asked.push(request);
        return { apps: metrics.apps.filter(({ fabricId }) => request.fabricIds.includes(fabricId)) };
      },
    },
  });
  const collectors = new Map<string, Collector>();
  const service = defineGrpcService(CollectorServiceService, {
    allow: { getCollector: [{ service: "management-api" }] },
    handlers: {
      getCollector: async ({ fabricId }) => {
        const collector = collectors.get(fabricId);
        if (collector) return { collector };
        throw new DrawbridgeError({ kind: "not_found", code: "COLLECTOR_NOT_SEEN", message: "none was seen" });
      },
    },
  });
  return { services: [service, shows, showsOwn], collectors, metrics };
}
