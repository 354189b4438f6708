import type { AppId } from "./ids.ts";

export const appPhases = ["pending", "progressing", "running", "stopped", "failed", "degraded"] as const;
export type AppPhase = (typeof appPhases)[number];

export interface ReplicaStatus {
  readonly replicaId: string;
  readonly revision: bigint;
  readonly state: string;
  readonly restarts: number;
  readonly startedAt: Date | undefined;
  readonly lastExit: string;
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionAt: Date;
}

/** The gate of one API that one deployment is bound to, as a gateway says. */
export interface GateStatus {
  readonly gatewayId: string;
  readonly apiName: string;
  readonly apiVersion: string;
  readonly basePath: string;
  readonly deployment: string;
  readonly state: string;
  readonly since: Date;
  readonly level: string;
  readonly levelSource: string;
  readonly reason: string;
  readonly message: string;
  readonly appliedRevision: bigint;
  readonly desiredRevision: bigint;
  readonly policies: number;
  readonly contracts: number;
}

/** What an app is, as its agent says. */
export interface AppStatus {
  readonly appId: AppId;
  readonly observedGeneration: bigint;
  readonly appliedDigest: string;
  readonly phase: AppPhase;
  readonly servingRevision: bigint;
  readonly readyReplicas: number;
  readonly replicas: readonly ReplicaStatus[];
  readonly conditions: readonly Condition[];
  readonly endpoints: readonly string[];
  readonly observedAt: Date;
  readonly gates: readonly GateStatus[];
}

/** Why an app failed: the reason of its Failed condition, empty when it did not. */
export function failureReason(status: AppStatus): string {
  if (status.phase !== "failed") return "";
  return (
    status.conditions.find((condition) => condition.type === "Failed" && condition.status === "True")?.reason ?? ""
  );
}
