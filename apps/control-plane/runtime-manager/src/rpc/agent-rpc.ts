import {
  AgentServiceService,
  LockReason as LockReasonProto,
  type AgentStanding as AgentStandingProto,
} from "@drawbridge/contracts/runtime/v1/agent_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { LockReason } from "../domain/fabric.ts";
import type { FabricId } from "../domain/ids.ts";
import { assertShortText } from "../domain/limits.ts";
import type { AgentRepository, AgentStanding } from "../store/agents.ts";

const activation = { service: "activation" } as const;
const managementApi = { service: "management-api" } as const;
const longestMessage = 500;
const mostFollowers = 500;

/** Who may connect, who is locked, who acknowledged which trust bundle. */
export function createAgentRpc(deps: {
  readonly agents: AgentRepository;
  /** Ends its tunnel, wherever it is. */
  readonly onLocked: (agent: { readonly agentId: string; readonly fabricId: FabricId }) => void;
  readonly clock: Pick<Clock, "now">;
}): GrpcServiceDefinition {
  const { agents, clock } = deps;
  return defineGrpcService(AgentServiceService, {
    allow: {
      getAgentStanding: [activation, managementApi],
      lockAgent: [activation],
      unlockAgent: [activation],
      listTrustFollowers: [{ service: "cert-authority" }],
    },
    handlers: {
      getAgentStanding: async ({ agentId }) => ({ standing: standingToProto(await agents.standing(agentId)) }),
      lockAgent: async ({ agentId, reason, message }) => {
        const standing = await agents.lock({
          agentId,
          reason: reasonFromProto(reason),
          message: assertShortText(message, "message", longestMessage).replaceAll("\0", ""),
          now: clock.now(),
        });
        deps.onLocked(standing);
        return { standing: standingToProto(standing) };
      },
      unlockAgent: async ({ agentId, requestedBy }) => {
        assertShortText(requestedBy, "requested_by");
        return { standing: standingToProto(await agents.unlock({ agentId, requestedBy, now: clock.now() })) };
      },
      listTrustFollowers: async ({ pageSize: asked, pageToken, behindSequence }) => {
        const limit = pageSize(asked, mostFollowers);
        const [fabricName, fabricId] = readPageToken(pageToken, 2) ?? [];
        const after = fabricName !== undefined && fabricId !== undefined ? { fabricName, fabricId } : undefined;
        const page = await agents.listFollowers({ after, behindSequence, limit: limit + 1 });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          followers: page.slice(0, limit),
          nextPageToken: last ? writePageToken([last.fabricName, last.fabricId]) : "",
        };
      },
    },
  });
}

const reasonToProto = {
  DUPLICATE_AGENT: LockReasonProto.LOCK_REASON_DUPLICATE_AGENT,
  STALE_JOIN_STATE: LockReasonProto.LOCK_REASON_STALE_JOIN_STATE,
} as const satisfies Record<LockReason, LockReasonProto>;

/** @throws DrawbridgeError `LOCK_REASON_INVALID` (invalid_argument) */
function reasonFromProto(reason: LockReasonProto): LockReason {
  if (reason === LockReasonProto.LOCK_REASON_DUPLICATE_AGENT) return "DUPLICATE_AGENT";
  if (reason === LockReasonProto.LOCK_REASON_STALE_JOIN_STATE) return "STALE_JOIN_STATE";
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "LOCK_REASON_INVALID",
    message: "an agent is locked as a duplicate or for a stale join state",
  });
}

function standingToProto({ lock, ...standing }: AgentStanding): AgentStandingProto {
  return {
    ...standing,
    lockReason: lock ? reasonToProto[lock.reason] : LockReasonProto.LOCK_REASON_UNSPECIFIED,
    lockedAt: lock?.at,
  };
}
