import { RecoveryMode, type RecoveryState } from "@drawbridge/contracts/activation/v1/recovery_service";
import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { z } from "zod";
import type { recoveryModes, recoverySchema } from "../schemas/fabric.ts";
import type { fabricRecoverySchema } from "../schemas/recovery.ts";
import { fabricToJson } from "./fabric-json.ts";
import { instantOrNull, required, safeNumber } from "./values.ts";

type ModeName = (typeof recoveryModes)[number];

const modeNames: Readonly<Record<RecoveryMode, ModeName | undefined>> = {
  [RecoveryMode.RECOVERY_MODE_UNSPECIFIED]: undefined,
  [RecoveryMode.RECOVERY_MODE_STANDARD]: "standard",
  [RecoveryMode.RECOVERY_MODE_RELAXED]: "relaxed",
  [RecoveryMode.RECOVERY_MODE_MANUAL]: "manual",
  [RecoveryMode.UNRECOGNIZED]: undefined,
};

const modeValues: Readonly<Record<ModeName, RecoveryMode>> = {
  standard: RecoveryMode.RECOVERY_MODE_STANDARD,
  relaxed: RecoveryMode.RECOVERY_MODE_RELAXED,
  manual: RecoveryMode.RECOVERY_MODE_MANUAL,
};

export function recoveryModeToProto(mode: ModeName): RecoveryMode {
  return modeValues[mode];
}

export function recoveryToJson(message: RecoveryState | undefined): z.output<typeof recoverySchema> {
  const state = required("recovery.state", message);
  return {
    mode: required("recovery.mode", modeNames[state.mode]),
    recentRecoveries: state.recentRecoveries,
    lastRecoveryAt: instantOrNull(state.lastRecoveryAt),
    allowedUntil: instantOrNull(state.allowedUntil),
    lastRefusal: state.lastRefusal,
    lastRefusalAt: instantOrNull(state.lastRefusalAt),
    joinSequence: safeNumber("join_sequence", state.joinSequence),
  };
}

/** A fabric and its recovery, as the recovery routes show them. */
export function fabricRecoveryToJson(
  fabric: Fabric,
  recovery: z.output<typeof recoverySchema> | null,
): z.output<typeof fabricRecoverySchema> {
  const { fabricId, name, agentId, state, lastSeenAt, certificateNotAfter, lock } = fabricToJson(fabric);
  return { fabricId, fabric: name, agentId, state, lastSeenAt, certificateNotAfter, lock, recovery };
}
