import type { AgentId, FabricId } from "./ids.ts";

export type FabricState = "pending" | "connected" | "unreachable" | "disconnected";

/** What the agent tells of its cluster (META 1). */
export interface ClusterInfo {
  readonly driver: string;
  readonly agentVersion: string;
  readonly clusterVersion: string;
  readonly kubernetesVersion: string;
  readonly containerRuntimeVersion: string;
  readonly nodes: number;
  readonly cpuMillicores: bigint;
  readonly memoryBytes: bigint;
  readonly logsAllowed: boolean;
}

export interface HealthAlert {
  readonly reason: string;
  readonly message: string;
  readonly since: Date;
}

/** The agent that speaks for a fabric, and its tunnel. */
export interface FabricAgent {
  readonly agentId: AgentId;
  readonly cluster: ClusterInfo;
  readonly alerts: readonly HealthAlert[];
  readonly observedGeneration: bigint;
  readonly lastSeenAt: Date;
  readonly clockSkewMs: number;
  readonly certificateSerial: string;
  readonly certificateNotAfter: Date;
  /** Empty while nobody holds the tunnel. */
  readonly tunnelReplica: string;
}

export interface Fabric {
  readonly fabricId: FabricId;
  readonly org: string;
  readonly name: string;
  readonly region: string;
  readonly environments: readonly string[];
  readonly state: FabricState;
  readonly agent: FabricAgent | undefined;
  readonly desiredGeneration: bigint;
  readonly createdAt: Date;
  readonly appCount: number;
}

/** True while what the apps report is news and not memory. */
export function isStatusCurrent(fabric: { readonly state: FabricState; readonly tunnelReplica: string }): boolean {
  return fabric.state === "connected" && fabric.tunnelReplica !== "";
}

/** What the agent said of itself last, beside the state of its apps. */
export interface AgentReport {
  readonly observedGeneration: bigint;
  readonly snapshotDigest: string;
  readonly trustBundleSequence: bigint;
  readonly clockSkewMs: number;
  readonly alerts: readonly HealthAlert[];
}
