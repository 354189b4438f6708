import {
  RecoveryAdminServiceService,
  RecoveryMode,
  type RecoveryState,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

/** Recoveries in memory, by agent. */
export interface StandInRecovery {
  readonly service: GrpcServiceDefinition;
  readonly states: Map<string, RecoveryState>;
  /** Every call that changes something, by its fields. */
  readonly changes: unknown[];
}

const allow = [{ service: "management-api" }] as const;

export function standInRecovery(): StandInRecovery {
  const states = new Map<string, RecoveryState>();
  const changes: unknown[] = [];
  function stateOf(agentId: string): RecoveryState {
    const state = states.get(agentId);
    if (state) return state;
    throw new DrawbridgeError({ kind: "not_found", code: "AGENT_UNKNOWN", message: `no agent ${agentId}` });
  }
  function change(request: { readonly agentId: string }, parts: Partial<RecoveryState>): { state: RecoveryState } {
    changes.push(request);
    const state = { ...stateOf(request.agentId), ...parts };
    states.set(request.agentId, state);
    return { state };
  }
  const service = defineGrpcService(RecoveryAdminServiceService, {
    allow: { getRecoveryState: allow, allowRecovery: allow, withdrawAllowance: allow, setRecoveryMode: allow },
    handlers: {
      getRecoveryState: async ({ agentId }) => ({ state: stateOf(agentId) }),
      allowRecovery: async (request) => change(request, { allowedUntil: new Date(Date.now() + 86_400_000) }),
      withdrawAllowance: async (request) => change(request, { allowedUntil: undefined }),
      setRecoveryMode: async (request) => change(request, { mode: request.mode }),
    },
  });
  return { service, states, changes };
}

export function aRecoveryState(parts: Partial<RecoveryState> = {}): RecoveryState {
  return {
    agentId: crypto.randomUUID(),
    fabricId: crypto.randomUUID(),
    mode: RecoveryMode.RECOVERY_MODE_STANDARD,
    recentRecoveries: 1,
    lastRecoveryAt: new Date("2026-01-01T00:00:00Z"),
    allowedUntil: undefined,
    lastRefusal: "RECOVERY_LIMIT_REACHED",
    lastRefusalAt: new Date("2026-01-02T00:00:00Z"),
    joinSequence: 2n,
    ...parts,
  };
}
