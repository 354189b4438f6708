import type { App } from "@drawbridge/contracts/runtime/v1/app_service";
import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import type { z } from "zod";
import type { appGateSchema, gateSchema } from "../schemas/gate.ts";
import { instantOrNull, safeNumber } from "./values.ts";

/** States in which requests pass. What a newer gateway says and we do not know counts as blocked. */
const servingStates: ReadonlySet<string> = new Set(["live", "cached", "stale", "degraded", "open"]);

export function gateToJson(gate: GateStatus): z.output<typeof gateSchema> {
  const { gatewayId, apiName, apiVersion, basePath, deployment, state, level, levelSource, reason, message } = gate;
  const blocked = !servingStates.has(state);
  return {
    gatewayId,
    apiName,
    apiVersion,
    basePath,
    deployment,
    state,
    blocked,
    since: instantOrNull(gate.since),
    level,
    levelSource,
    reason,
    message,
    appliedRevision: safeNumber("gate.applied_revision", gate.appliedRevision),
    desiredRevision: safeNumber("gate.desired_revision", gate.desiredRevision),
    policies: gate.policies,
    contracts: gate.contracts,
    warnings: blocked || gate.policies > 0 ? [] : ["open: no policies"],
  };
}

/** The gates of one app, each with the app's name. */
export function gatesOfApp({ spec, status, fabricName, statusCurrent }: App): z.output<typeof appGateSchema>[] {
  const app = { app: spec?.name ?? "", environment: spec?.environment ?? "", fabric: fabricName, statusCurrent };
  return (status?.gates ?? []).map((gate) => Object.assign(gateToJson(gate), app));
}
