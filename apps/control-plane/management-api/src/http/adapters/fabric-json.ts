import {
  type ActivationToken,
  ActivationTokenState,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import { type ClusterInfo, type Fabric, FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { z } from "zod";
import type { fabricSchema, fabricStates, fabricTokenSchema, fabricTokenStates } from "../schemas/fabric.ts";
import { instantOrNull, required, requiredInstant, safeNumber } from "./values.ts";

type FabricJson = z.output<typeof fabricSchema>;

const stateNames: Readonly<Record<FabricState, (typeof fabricStates)[number] | undefined>> = {
  [FabricState.FABRIC_STATE_UNSPECIFIED]: undefined,
  [FabricState.FABRIC_STATE_PENDING]: "pending",
  [FabricState.FABRIC_STATE_CONNECTED]: "connected",
  [FabricState.FABRIC_STATE_UNREACHABLE]: "unreachable",
  [FabricState.FABRIC_STATE_DISCONNECTED]: "disconnected",
  [FabricState.UNRECOGNIZED]: undefined,
};

const tokenStateNames: Readonly<Record<ActivationTokenState, (typeof fabricTokenStates)[number] | undefined>> = {
  [ActivationTokenState.ACTIVATION_TOKEN_STATE_UNSPECIFIED]: undefined,
  [ActivationTokenState.ACTIVATION_TOKEN_STATE_UNUSED]: "unused",
  [ActivationTokenState.ACTIVATION_TOKEN_STATE_REDEEMED]: "redeemed",
  [ActivationTokenState.ACTIVATION_TOKEN_STATE_REVOKED]: "revoked",
  [ActivationTokenState.ACTIVATION_TOKEN_STATE_EXPIRED]: "expired",
  [ActivationTokenState.UNRECOGNIZED]: undefined,
};

/** A fabric as REST shows it. */
export function fabricToJson(message: Fabric | undefined): FabricJson {
  const fabric = required("fabric", message);
  return {
    fabricId: fabric.fabricId,
    name: fabric.name,
    region: fabric.region,
    environments: [...fabric.environments],
    state: required("fabric.state", stateNames[fabric.state]),
    cluster: fabric.cluster ? clusterToJson(fabric.cluster) : null,
    alerts: fabric.alerts.map(({ reason, message: text, since }) => ({
      reason,
      message: text,
      since: instantOrNull(since),
    })),
    agentId: fabric.agentId,
    desiredGeneration: safeNumber("desired_generation", fabric.desiredGeneration),
    observedGeneration: safeNumber("observed_generation", fabric.observedGeneration),
    lastSeenAt: instantOrNull(fabric.lastSeenAt),
    clockSkewMs: safeNumber("clock_skew_ms", fabric.clockSkewMs),
    certificateSerial: fabric.certificateSerial,
    certificateNotAfter: instantOrNull(fabric.certificateNotAfter),
    tunnelReplica: fabric.tunnelReplica,
    appCount: fabric.appCount,
    createdAt: instantOrNull(fabric.createdAt),
  };
}

function clusterToJson(cluster: ClusterInfo): NonNullable<FabricJson["cluster"]> {
  return {
    driver: cluster.driver,
    agentVersion: cluster.agentVersion,
    clusterVersion: cluster.clusterVersion,
    kubernetesVersion: cluster.kubernetesVersion,
    containerRuntimeVersion: cluster.containerRuntimeVersion,
    nodes: cluster.nodes,
    cpuMillicores: safeNumber("cpu_millicores", cluster.cpuMillicores),
    memoryBytes: safeNumber("memory_bytes", cluster.memoryBytes),
    logsAllowed: cluster.logsAllowed,
  };
}

/** An activation token as REST shows it, without its secret. */
export function fabricTokenToJson(message: ActivationToken | undefined): z.output<typeof fabricTokenSchema> {
  const token = required("token", message);
  return {
    tokenId: token.tokenId,
    fabricId: token.fabricId,
    fabric: token.fabricName,
    state: required("token.state", tokenStateNames[token.state]),
    createdAt: requiredInstant("token.created_at", token.createdAt),
    expiresAt: requiredInstant("token.expires_at", token.expiresAt),
    createdBy: token.createdBy,
    redeemedAt: instantOrNull(token.redeemedAt),
    agentId: token.agentId,
    refusedUses: token.refusedUses,
  };
}
