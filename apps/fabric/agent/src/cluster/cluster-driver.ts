import type { HostPath } from "@drawbridge/app-routes";
import type { Manifest } from "@drawbridge/bundle";

/** Capacity and versions of the cluster, as the control plane shows them. */
export interface ClusterFacts {
  readonly nodes: number;
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
  /** For example "Linux 6.18.44" or "v1.33.1". */
  readonly clusterVersion: string;
  /** For example "node v26.10.0" or "containerd://2.1.0". */
  readonly containerRuntimeVersion: string;
}

/** What an app should be. Its wording is the tunnel's AppSpec, resolved: bundle unpacked, configuration in hand. */
export interface DesiredApp {
  readonly appId: string;
  readonly name: string;
  readonly environmentName: string;
  readonly generation: bigint;
  readonly revision: bigint;
  readonly specDigest: string;
  readonly desiredState: "running" | "stopped";
  readonly replicas: number;
  /** A change replaces all replicas, one after the other. */
  readonly restartNonce: string;
  /** 0 lets the driver choose; what it chose is kept for the app's life. */
  readonly publicPort: number;
  /** What it is served at on the ports that apps share. */
  readonly hosts: readonly HostPath[];
  readonly strategy: RolloutStrategy;
  /** "sha256:<hex>". */
  readonly bundleDigest: string;
  /** Already unpacked and verified; read-only. */
  readonly bundleDirectory: string;
  readonly manifest: Manifest;
  /** What an operator set for the gates of its tracked resources; "" for nothing. Counts from the next deployment on. */
  readonly gatekeeper: { readonly value: string; readonly origin: "app" | "environment" | "fabric" };
  /** Plain properties. */
  readonly environment: Readonly<Record<string, string>>;
  /** Resolved secure properties: never in argv, never in a file of the driver's, never in an error. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface RolloutStrategy {
  /** Replicas started beyond the desired number, at least 1. */
  readonly maxSurge: number;
  readonly readyTimeoutSeconds: number;
  readonly drainTimeoutSeconds: number;
}

/** States of `drawbridge.runtime.v1.ReplicaStatus`. "crashed" waits for its restart. */
export type ReplicaState = "starting" | "ready" | "unready" | "draining" | "stopped" | "crashed";

export interface ObservedReplica {
  /** Unique within the app for ever. */
  readonly replicaId: string;
  readonly revision: bigint;
  readonly state: ReplicaState;
  readonly restarts: number;
  readonly startedAt: Date | undefined;
  /** "exit 1", "signal SIGKILL", "out of memory"; empty if it has not ended. */
  readonly lastExit: string;
}

/** What is wrong with a running app beyond what its replicas say; material for conditions. */
export type AppProblem =
  | { readonly kind: "crash_loop"; readonly replicaId: string; readonly restarts: number; readonly lastExit: string }
  | { readonly kind: "port_in_use"; readonly port: number; readonly holder: string | undefined }
  /** The gateway, through which alone the app is reached, does not run. */
  | { readonly kind: "gateway_down"; readonly lastExit: string }
  /** It has hosts, and the operator of the fabric has opened no port for them. */
  | { readonly kind: "no_shared_port"; readonly hosts: readonly string[] };

export interface ObservedApp {
  readonly appId: string;
  readonly name: string;
  readonly environmentName: string;
  /** Without those that are stopped and kept only for their logs. */
  readonly replicas: readonly ObservedReplica[];
  /** Revision that answers requests now; while two do, the older one. 0 if none. */
  readonly servingRevision: bigint;
  /** Spec that was last applied to the end; empty and 0 before the first success. */
  readonly appliedSpecDigest: string;
  readonly appliedGeneration: bigint;
  /** For example "http://127.0.0.1:18000". */
  readonly endpoints: readonly string[];
  readonly problems: readonly AppProblem[];
}

export interface LogsRequest {
  readonly appId: string;
  /** Absent: all replicas, also stopped ones whose logs are kept. */
  readonly replicaId?: string;
  /** Last lines per replica. */
  readonly tailLines: number;
  readonly follow: boolean;
}

export interface LogLine {
  readonly replicaId: string;
  readonly stream: "stdout" | "stderr";
  /** Cut at 64 KiB. */
  readonly line: string;
  readonly at: Date | undefined;
}

/**
 * Runs apps. What it starts outlives the agent; a restarted agent finds it again with `observe`.
 *
 * Errors are DrawbridgeErrors whose `details.reason` is the CamelCase reason of the Failed condition
 * ("CrashLoop", "NotReady", "PortInUse", "DiskFull"); messages never hold app output or secrets.
 */
export interface ClusterDriver {
  readonly kind: "process" | "kubernetes";
  info(): Promise<ClusterFacts>;
  /** Everything that runs or lies there, also apps unknown to the desired state. */
  observe(signal: AbortSignal): Promise<readonly ObservedApp[]>;
  /**
   * Converge one app, step by step; returns at once when there is nothing to do, so that it can be called on every
   * pass (this is also what repairs an app after a crash of its supervisor). Aborting leaves a state from which the next
   * call goes on. Calls for one app run one after the other. After a rejection the earlier version serves; call again
   * for a newer spec or after a pause of minutes.
   */
  apply(app: DesiredApp, signal: AbortSignal): Promise<void>;
  /** Stop the app and forget it, port and logs included. An unknown app is removed already. */
  remove(appId: string, signal: AbortSignal): Promise<void>;
  /** One look at what all apps share (gateways), and what follows from it. Called every second; waits for nothing that takes long. */
  tend(signal: AbortSignal): Promise<void>;
  logs(request: LogsRequest, signal: AbortSignal): AsyncIterable<LogLine>;
}
