import { type Collector, CollectorServiceService } from "@drawbridge/contracts/monitoring/v1/collector_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

/** Collectors in memory, by fabric. */
export function standInMonitoringIngest(): {
  readonly service: GrpcServiceDefinition;
  readonly collectors: Map<string, Collector>;
} {
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
  return { service, collectors };
}
