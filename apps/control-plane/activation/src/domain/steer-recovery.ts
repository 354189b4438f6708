import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import { recoveryUnavailable } from "./recovery-errors.ts";
import type { RecoveryAllowance, RecoveryMode, RecoveryState } from "./recovery-state.ts";
import { createWhileAvailable } from "./while-available.ts";

/** What operators need of the store. */
export interface RecoveryStates {
  state(agentId: string, now: Date): Promise<RecoveryState | undefined>;
  /** Lifts our own lock too. */
  allow(agentId: string, allowance: RecoveryAllowance): Promise<"allowed" | "unknown" | "fabric_deleted">;
  withdraw(agentId: string): Promise<"withdrawn" | "unknown">;
  setMode(agentId: string, mode: RecoveryMode): Promise<"set" | "unknown">;
}

export interface SteerRecovery {
  state(agentId: string): Promise<RecoveryState>;
  /** One recovery outside the limits, within a day; lifts the lock. */
  allow(
    agentId: string,
    by: { readonly requestedBy: string; readonly acceptsAnyJoinState: boolean },
    signal: AbortSignal,
  ): Promise<RecoveryState>;
  /** An allowance that was not used yet ends. */
  withdraw(agentId: string, requestedBy: string): Promise<RecoveryState>;
  setMode(agentId: string, mode: RecoveryMode, requestedBy: string): Promise<RecoveryState>;
}

const allowanceMs = 24 * 3_600_000;
const whileAvailable = createWhileAvailable(recoveryUnavailable);

/** @throws DrawbridgeError `AGENT_UNKNOWN` (not_found), `FABRIC_DELETED` (failed_precondition), `RECOVERY_UNAVAILABLE` (unavailable) */
export function createSteerRecovery(deps: {
  readonly states: RecoveryStates;
  /** Idempotent; does nothing for an agent that runtime-manager does not know. */
  readonly unlock: (agentId: string, requestedBy: string, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}): SteerRecovery {
  const { states, clock, logger } = deps;

  async function stateOf(agentId: string): Promise<RecoveryState> {
    const state = await whileAvailable(states.state(agentId, clock.now()));
    if (!state) throw unknown(agentId);
    return state;
  }

  return {
    state: stateOf,

    allow: async (agentId, { requestedBy, acceptsAnyJoinState }, signal) => {
      const at = clock.now();
      const allowance = { at, until: new Date(at.getTime() + allowanceMs), by: requestedBy, acceptsAnyJoinState };
      const outcome = await whileAvailable(states.allow(agentId, allowance));
      if (outcome === "unknown") throw unknown(agentId);
      if (outcome === "fabric_deleted") throw fabricDeleted();
      // After the allowance: if this fails, the operator's repetition of the call does both again.
      await whileAvailable(deps.unlock(agentId, requestedBy, signal));
      logger.info(
        { [field.agentId]: agentId, requested_by: requestedBy, any_join_state: acceptsAnyJoinState },
        "recovery allowed",
      );
      return stateOf(agentId);
    },

    withdraw: async (agentId, requestedBy) => {
      if ((await whileAvailable(states.withdraw(agentId))) === "unknown") throw unknown(agentId);
      logger.info({ [field.agentId]: agentId, requested_by: requestedBy }, "allowance of a recovery withdrawn");
      return stateOf(agentId);
    },

    setMode: async (agentId, mode, requestedBy) => {
      if ((await whileAvailable(states.setMode(agentId, mode))) === "unknown") throw unknown(agentId);
      logger.info({ [field.agentId]: agentId, requested_by: requestedBy, mode }, "recovery mode set");
      return stateOf(agentId);
    },
  };
}

function unknown(agentId: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "AGENT_UNKNOWN",
    message: "no agent with this id was activated here",
    details: { agentId },
  });
}

function fabricDeleted(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "FABRIC_DELETED",
    message: "the fabric was deleted; its identity does not come back",
  });
}
