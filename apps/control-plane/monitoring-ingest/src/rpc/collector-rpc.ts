import { CollectorServiceService } from "@drawbridge/contracts/monitoring/v1/collector_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { CollectorRecords } from "../domain/collector.ts";

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function createCollectorRpc(deps: {
  readonly collectors: Pick<CollectorRecords, "find">;
}): GrpcServiceDefinition {
  return defineGrpcService(CollectorServiceService, {
    allow: { getCollector: [{ service: "management-api" }] },
    handlers: {
      getCollector: async ({ fabricId }) => {
        const found = uuidPattern.test(fabricId) ? await deps.collectors.find(fabricId) : undefined;
        if (found === undefined) throw notSeen(fabricId);
        return {
          collector: {
            fabricId: found.fabricId,
            certificateSerial: found.certificateSerial,
            certificateNotAfter: found.certificateNotAfter,
            version: found.version,
            lastSeenAt: found.lastSeenAt,
            clockSkewMs: BigInt(found.clockSkewMs),
            certificatesSeen: found.certificatesSeen,
          },
        };
      },
    },
  });
}

function notSeen(fabricId: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "COLLECTOR_NOT_SEEN",
    message: "no monitoring collector of this fabric has checked in yet",
    details: { fabricId },
  });
}
