import { EntitlementServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { isUuid } from "../domain/ids.ts";
import { assertDigest } from "../domain/limits.ts";
import type { AppRepository } from "../store/apps.ts";

/** Tells config-resolver what a fabric may fetch (MGT 2). */
export function createEntitlementRpc(apps: Pick<AppRepository, "isEntitled">): GrpcServiceDefinition {
  return defineGrpcService(EntitlementServiceService, {
    allow: { checkEntitlement: [{ service: "config-resolver" }] },
    handlers: {
      checkEntitlement: async ({ fabricId, digest }) => {
        assertDigest(digest);
        return { entitled: isUuid(fabricId) && (await apps.isEntitled(fabricId, digest)) };
      },
    },
  });
}
