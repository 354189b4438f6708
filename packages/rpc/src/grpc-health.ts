import { HealthCheckResponse_ServingStatus, HealthService } from "@drawbridge/contracts/grpc/health/v1/health";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Health } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "./grpc-service.ts";

/** grpc.health.v1.Health: what /readyz says, for probes that speak gRPC. */
export function createHealthService(health: Health): GrpcServiceDefinition {
  return defineGrpcService(HealthService, {
    allow: { check: ["anyone"] },
    handlers: {
      check: (request) => {
        if (request.service !== "") {
          throw new DrawbridgeError({
            kind: "not_found",
            code: "HEALTH_SERVICE_UNKNOWN",
            message: 'ask for the service name ""',
          });
        }
        const status = health.report().ready
          ? HealthCheckResponse_ServingStatus.SERVING
          : HealthCheckResponse_ServingStatus.NOT_SERVING;
        return Promise.resolve({ status });
      },
    },
  });
}
