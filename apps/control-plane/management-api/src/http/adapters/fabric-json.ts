import {
  type ActivationToken,
  ActivationTokenState,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import { type ClusterInfo, type Fabric, FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { z } from "zod";
import { clockStateOf, lockRemedy } from "../../domain/fabric-verdicts.ts";
import { certificatePurposes, type fabricSchema, type fabricStates } from "../schemas/fabric.ts";
import type { fabricTokenSchema, fabricTokenStates } from "../schemas/fabric-token.ts";
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
  const clockLimits = { warnSeconds: fabric.clockSkewWarnSeconds, failSeconds: fabric.clockSkewFailSeconds };
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
    certificates: heldCertificatesOf(fabric),
    trustBundleSequence: safeNumber("trust_bundle_sequence", fabric.trustBundleSequence),
    clock: clockStateOf({
      hasBeenSeen: fabric.lastSeenAt !== undefined,
      skewMs: safeNumber("clock_skew_ms", fabric.clockSkewMs),
      limits: clockLimits,
    }),
    clockLimits,
    lock: lockToJson(fabric),
  };
}

export function lockToJson(fabric: Fabric): FabricJson["lock"] {
  if (fabric.lockReason === "") return null;
  return {
    reason: fabric.lockReason,
    message: fabric.lockMessage,
    since: instantOrNull(fabric.lockedAt),
    remedy: lockRemedy(fabric.lockReason, fabric.name),
  };
}

/** What the agent says it holds; an earlier agent says nothing, and its tunnel shows one certificate. */
function heldCertificatesOf(fabric: Fabric): FabricJson["certificates"] {
  const held = fabric.certificates.flatMap((certificate): FabricJson["certificates"] => {
    const { serialNumber, notAfter, renewAt, lastFailure } = certificate;
    const purpose = certificatePurposes.find((known) => known === certificate.purpose);
    if (purpose === undefined) return []; // of a later agent
    return [{ purpose, serialNumber, notAfter: instantOrNull(notAfter), renewAt: instantOrNull(renewAt), lastFailure }];
  });
  if (fabric.certificateSerial === "" || held.some(({ purpose }) => purpose === "tunnel")) return held;
  const onTunnel = {
    purpose: "tunnel",
    serialNumber: fabric.certificateSerial,
    notAfter: instantOrNull(fabric.certificateNotAfter),
    renewAt: null,
    lastFailure: "",
  } as const;
  return [onTunnel, ...held];
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
    allowedNetworks: [...token.allowedNetworks],
    keySha256: token.keySha256,
    requiresApproval: token.requiresApproval,
    approvedBy: token.approvedBy,
    approvedAt: instantOrNull(token.approvedAt),
    approvedKeySha256: token.approvedKeySha256,
    applicants: token.applicants.map(({ keySha256, remoteAddress, agentVersion, firstAskedAt, lastAskedAt }) => ({
      keySha256,
      address: remoteAddress,
      agentVersion,
      firstAskedAt: requiredInstant("first_asked_at", firstAskedAt),
      lastAskedAt: requiredInstant("last_asked_at", lastAskedAt),
    })),
  };
}
