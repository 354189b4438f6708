import type { FabricClockLimits } from "./clock-limits.ts";
import type { AgentId, FabricId } from "./ids.ts";
import type { CertificatePurpose } from "./renewal.ts";

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

/** A certificate that an agent says it holds. */
export interface HeldCertificate {
  readonly purpose: CertificatePurpose;
  readonly serialNumber: string;
  readonly notAfter: Date;
  /** When it means to renew it. */
  readonly renewAt: Date;
  /** Code of the last failed attempt; empty if it worked. */
  readonly lastFailure: string;
}

export type LockReason = "DUPLICATE_AGENT" | "STALE_JOIN_STATE";

/** Refused until an operator decides. */
export interface AgentLock {
  readonly reason: LockReason;
  /** One sentence. */
  readonly message: string;
  readonly at: Date;
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
  readonly certificates: readonly HeldCertificate[];
  /** Trust bundle that it acknowledged. */
  readonly trustBundleSequence: bigint;
  readonly lock: AgentLock | undefined;
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
  readonly clockLimits: FabricClockLimits;
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
  /** Its own. */
  readonly alerts: readonly HealthAlert[];
  readonly certificates: readonly HeldCertificate[];
}
