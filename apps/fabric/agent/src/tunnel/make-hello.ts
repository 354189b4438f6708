import type { ClusterInfo } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { Heartbeat, HeldCertificate, Hello } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { agentVersion, protocolVersions } from "../agent-version.ts";
import type { Alert } from "../alerts/alert-board.ts";
import type { ClusterDriver, ClusterFacts } from "../cluster/cluster-driver.ts";

/** What Hello and Heartbeat say of the agent's work. */
export interface Standing {
  readonly generation: bigint;
  readonly digest: string;
  readonly trustBundleSequence: bigint;
  readonly certificates: readonly HeldCertificate[];
  readonly now: Date;
}

export function makeHello(about: {
  readonly agentId: string;
  readonly bootId: string;
  readonly epoch: bigint;
  readonly cluster: ClusterInfo;
  readonly standing: Standing;
}): Hello {
  const { standing } = about;
  return {
    agentId: about.agentId,
    bootId: about.bootId,
    epoch: about.epoch,
    protocolMin: protocolVersions.min,
    protocolMax: protocolVersions.max,
    cluster: about.cluster,
    trustBundleSequence: standing.trustBundleSequence,
    observedGeneration: standing.generation,
    snapshotDigest: standing.digest,
    agentTime: standing.now,
    certificates: [...standing.certificates],
  };
}

export function makeHeartbeat(standing: Standing, alerts: readonly Alert[]): Heartbeat {
  return {
    agentTime: standing.now,
    observedGeneration: standing.generation,
    snapshotDigest: standing.digest,
    trustBundleSequence: standing.trustBundleSequence,
    alerts: alerts.map((alert) => ({ ...alert })),
    certificates: [...standing.certificates],
  };
}

export function clusterInfoOf(kind: ClusterDriver["kind"], facts: ClusterFacts, logsAllowed: boolean): ClusterInfo {
  return {
    driver: kind,
    agentVersion,
    clusterVersion: facts.clusterVersion,
    kubernetesVersion: kind === "kubernetes" ? facts.clusterVersion : "",
    containerRuntimeVersion: facts.containerRuntimeVersion,
    nodes: facts.nodes,
    cpuMillicores: BigInt(facts.cpuMillicores),
    memoryBytes: BigInt(facts.memoryBytes),
    logsAllowed,
  };
}
