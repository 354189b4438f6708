import {
  RecoveryAdminServiceService,
  RecoveryMode,
  type RecoveryState as StateMessage,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { Clock } from "@drawbridge/lifecycle";
import { z } from "zod";
import type { RecoveryState, RecoveryMode as Mode } from "../domain/recovery-state.ts";
import type { SteerRecovery } from "../domain/steer-recovery.ts";
import { parseMessage } from "./parse-message.ts";

const agentId = z.uuid().toLowerCase();
const requestedBy = z.string().min(1).max(200);
const getSchema = z.object({ agentId });
const withdrawSchema = z.object({ agentId, requestedBy });
const allowSchema = z.object({ agentId, requestedBy, acceptAnyJoinState: z.boolean() });

const modes = {
  standard: RecoveryMode.RECOVERY_MODE_STANDARD,
  relaxed: RecoveryMode.RECOVERY_MODE_RELAXED,
  manual: RecoveryMode.RECOVERY_MODE_MANUAL,
} as const satisfies Record<Mode, RecoveryMode>;
const setSchema = z.object({
  agentId,
  requestedBy,
  mode: z.union([
    z.literal(modes.standard).transform((): Mode => "standard"),
    z.literal(modes.relaxed).transform((): Mode => "relaxed"),
    z.literal(modes.manual).transform((): Mode => "manual"),
  ]),
});

/** RecoveryAdminService: for management-api only. */
export function createRecoveryAdminRpc(steer: SteerRecovery, clock: Clock): GrpcServiceDefinition {
  const allow = [{ service: "management-api" }];
  const toProto = (state: RecoveryState): StateMessage => stateToProto(state, clock.now());
  return defineGrpcService(RecoveryAdminServiceService, {
    allow: { getRecoveryState: allow, allowRecovery: allow, withdrawAllowance: allow, setRecoveryMode: allow },
    handlers: {
      getRecoveryState: async (message) => ({
        state: toProto(await steer.state(parseMessage(getSchema, message).agentId)),
      }),
      allowRecovery: async (message, { signal }) => {
        const request = parseMessage(allowSchema, message);
        const by = { requestedBy: request.requestedBy, acceptsAnyJoinState: request.acceptAnyJoinState };
        return { state: toProto(await steer.allow(request.agentId, by, signal)) };
      },
      withdrawAllowance: async (message) => {
        const request = parseMessage(withdrawSchema, message);
        return { state: toProto(await steer.withdraw(request.agentId, request.requestedBy)) };
      },
      setRecoveryMode: async (message) => {
        const request = parseMessage(setSchema, message);
        return { state: toProto(await steer.setMode(request.agentId, request.mode, request.requestedBy)) };
      },
    },
  });
}

function stateToProto(state: RecoveryState, now: Date): StateMessage {
  const { allowance, last, lastRefusal } = state;
  return {
    agentId: state.agentId,
    fabricId: state.fabricId,
    mode: modes[state.mode],
    recentRecoveries: state.recent,
    ...(last?.issued ? { lastRecoveryAt: last.issued.issuedAt } : {}),
    ...(allowance && now < allowance.until ? { allowedUntil: allowance.until } : {}),
    lastRefusal: lastRefusal?.code ?? "",
    ...(lastRefusal ? { lastRefusalAt: lastRefusal.at } : {}),
    joinSequence: BigInt(state.joinSequence),
  };
}
