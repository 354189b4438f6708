import {
  LockReason,
  type AgentServiceService,
  type AgentStanding as StandingMessage,
} from "@drawbridge/contracts/runtime/v1/agent_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { GrpcClient } from "@drawbridge/rpc";
import type { AgentStanding } from "../domain/decide-recovery.ts";
import type { AgentStandings } from "../domain/recover-agent.ts";

export type AgentClient = Pick<GrpcClient<AgentServiceService>, "call">;

const timeoutMs = 5_000;
/** Of LockAgentRequest.message. */
const maxMessageLength = 500;

/** How runtime-manager sees agents, and the lock that is its to keep. */
export function createAgentStandings(
  client: AgentClient,
): AgentStandings & { unlock(agentId: string, requestedBy: string, signal: AbortSignal): Promise<void> } {
  return {
    get: async (agentId, signal) => {
      const answer = await unlessUnknown(
        client.call.getAgentStanding({ agentId }, { signal, idempotent: true, timeoutMs }),
      );
      return answer && standingFromProto(answer.standing);
    },
    lock: async (agentId, text, signal) => {
      const message = text.slice(0, maxMessageLength);
      const reason = LockReason.LOCK_REASON_STALE_JOIN_STATE;
      await unlessUnknown(client.call.lockAgent({ agentId, reason, message }, { signal, idempotent: true, timeoutMs }));
    },
    unlock: async (agentId, requestedBy, signal) => {
      await unlessUnknown(client.call.unlockAgent({ agentId, requestedBy }, { signal, idempotent: true, timeoutMs }));
    },
  };
}

/** runtime-manager gets to know an agent by its first tunnel; after a restored backup it may know it no more. */
async function unlessUnknown<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isDrawbridgeError(error, "AGENT_UNKNOWN")) return undefined;
    throw error;
  }
}

function standingFromProto(standing: StandingMessage | undefined): AgentStanding {
  if (!standing) {
    throw new DrawbridgeError({
      kind: "internal",
      code: "PEER_FAILED",
      message: "runtime-manager answered without a standing",
    });
  }
  return {
    isFabricDeleted: standing.fabricDeleted,
    isReplaced: standing.replaced,
    isLocked: standing.lockReason !== LockReason.LOCK_REASON_UNSPECIFIED,
    isConnected: standing.connected,
    lastSeenAt: standing.lastSeenAt,
    certificateSerial: standing.certificateSerial,
  };
}
