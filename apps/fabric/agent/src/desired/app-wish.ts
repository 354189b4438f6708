import type { HostPath } from "@drawbridge/app-routes";

/** Whether an app should run. */
export type WishedState = "running" | "stopped";

/** A content-addressed artefact at config-resolver. */
export interface Artefact {
  /** "sha256:<64 hex>". */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Path below the config-resolver base URL. */
  readonly path: string;
}

/** How a new version replaces an old one. */
export interface RolloutPace {
  readonly maxSurge: number;
  /** `undefined`: what the bundle's manifest says. */
  readonly readyTimeoutSeconds: number | undefined;
  readonly drainTimeoutSeconds: number;
}

export interface GatekeeperSetting {
  /** As it was written; empty: nobody set it. */
  readonly value: string;
  readonly origin: "app" | "environment" | "fabric";
}

/** What one app should be, checked. */
export interface AppWish {
  readonly appId: string;
  readonly name: string;
  readonly environment: string;
  readonly generation: bigint;
  readonly revision: bigint;
  readonly version: string;
  readonly desiredState: WishedState;
  readonly replicas: number;
  readonly restartNonce: string;
  readonly bundle: Artefact;
  readonly configuration: Artefact | undefined;
  /** 0 lets the driver choose. */
  readonly publicPort: number;
  /** What it is served at on the ports that apps share. */
  readonly hosts: readonly HostPath[];
  readonly pace: RolloutPace;
  /** What an operator set for the gatekeeper, and where; no part of `specDigest`: it counts from the next deployment on. */
  readonly gatekeeper: GatekeeperSetting;
  /** Identity of everything above: equal digest, nothing to do. */
  readonly specDigest: string;
  /** Trace of the operator's command; empty outside a trace. */
  readonly traceparent: string;
}

/** An app whose spec cannot be used. It fails alone; the others of the snapshot go on. */
export interface UnusableApp {
  readonly appId: string;
  readonly name: string;
  readonly generation: bigint;
  /** One sentence for people. */
  readonly problem: string;
}

export interface RemovedApp {
  readonly appId: string;
  readonly name: string;
}

/** Everything that this fabric should run, verified and checked. */
export interface DesiredSnapshot {
  readonly fabricId: string;
  readonly incarnationId: string;
  readonly generation: bigint;
  /** "sha256:<hex>" over the signed bytes. */
  readonly digest: string;
  readonly isComplete: boolean;
  readonly apps: readonly AppWish[];
  readonly unusable: readonly UnusableApp[];
  readonly tombstones: readonly RemovedApp[];
  /** Allows the removal of more than half of the apps. */
  readonly pruneToken: string;
}
