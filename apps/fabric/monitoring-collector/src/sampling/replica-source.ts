import type { CpuReading } from "./cpu-reading.ts";

/** Which replica of which app. Names and ids only. */
export interface ReplicaIdentity {
  readonly appId: string;
  readonly app: string;
  readonly environment: string;
  /** Empty: the app as a whole. */
  readonly replicaId: string;
  /** Of the app; empty where it is not known. */
  readonly version: string;
}

/** Where a replica tells metrics of its own, on this machine. */
export interface AppEndpoint {
  /** "127.0.0.1" or "::1". */
  readonly address: string;
  readonly port: number;
  readonly path: string;
  /** Metrics that the app's manifest names. */
  readonly names: readonly string[];
}

/** What a replica has used until now. */
export interface ReplicaReading {
  readonly identity: ReplicaIdentity;
  /** Milliseconds since 1970; `undefined`: it never ran. */
  readonly startedAtMs: number | undefined;
  /** `undefined`: it does not run, or cannot be looked at. */
  readonly cpu: CpuReading | undefined;
  readonly memory: { readonly usedBytes: number; readonly totalBytes: number } | undefined;
  /** Absent: it has none, or does not run. */
  readonly endpoint?: AppEndpoint | undefined;
}

/** Where replicas are looked at: processes of this machine now, a cluster's metrics API in another driver. */
export interface ReplicaSource {
  /** Every replica that there is, also one that has just ended. */
  read(): Promise<readonly ReplicaReading[]>;
}

/** Unique in the fabric. */
export function replicaKey({ appId, replicaId }: Pick<ReplicaIdentity, "appId" | "replicaId">): string {
  return `${appId}/${replicaId}`;
}
