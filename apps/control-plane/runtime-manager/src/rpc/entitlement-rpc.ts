import { EntitlementServiceService } from "@drawbridge/contracts/runtime/v1/app_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { isUuid } from "../domain/ids.ts";
import { assertDigest } from "../domain/limits.ts";
import { agentLocked } from "../store/admit.ts";
import type { AgentRepository } from "../store/agents.ts";
import type { AppRepository } from "../store/apps.ts";

/** Tells config-resolver what a fabric may fetch (MGT 2). Of two that use one identity neither gets anything (REN 7). */
export function createEntitlementRpc(
  apps: Pick<AppRepository, "isEntitled">,
  agents: Pick<AgentRepository, "lockReason">,
): GrpcServiceDefinition {
  return defineGrpcService(EntitlementServiceService, {
    allow: { checkEntitlement: [{ service: "config-resolver" }] },
    handlers: {
      checkEntitlement: async ({ fabricId, digest, agentId }) => {
        assertDigest(digest);
        const lockedFor = isUuid(agentId) ? await agents.lockReason(agentId) : undefined;
        if (lockedFor !== undefined) throw agentLocked(lockedFor);
        return { entitled: isUuid(fabricId) && (await apps.isEntitled(fabricId, digest)) };
      },
    },
  });
}
