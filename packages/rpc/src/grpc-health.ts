import { HealthCheckResponse_ServingStatus, HealthService } from "@drawbridge/contracts/grpc/health/v1/health";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Health } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "./grpc-service.ts";

/** Name to ask for in `grpc.health.v1.Health`: whether everything works, and not only enough to be ready. */
export const undegraded = "undegraded";

/** grpc.health.v1.Health: what /readyz says, for probes that speak gRPC. */
export function createHealthService(health: Health): GrpcServiceDefinition {
  return defineGrpcService(HealthService, {
    allow: { check: ["anyone"] },
    handlers: {
      check: (request) => {
        if (request.service !== "" && request.service !== undegraded) {
          throw new DrawbridgeError({
            kind: "not_found",
            code: "HEALTH_SERVICE_UNKNOWN",
            message: `ask for the service name "" or "${undegraded}"`,
          });
        }
        const { ready, degraded } = health.report();
        const isFine = ready && (request.service === "" || degraded === undefined);
        const status = isFine
          ? HealthCheckResponse_ServingStatus.SERVING
          : HealthCheckResponse_ServingStatus.NOT_SERVING;
        return Promise.resolve({ status });
      },
    },
  });
}
