import type { AppRoute } from "./app-route.ts";
import type { GatekeeperValues } from "./gatekeeper.ts";
import type { AppId, FabricId } from "./ids.ts";

/** A content-addressed artefact at config-resolver. */
export interface ArtefactRef {
  /** "sha256:<64 hex>" */
  readonly digest: string;
  readonly sizeBytes: bigint;
  /** Path below the config-resolver base URL. */
  readonly path: string;
}

export interface RolloutStrategy {
  readonly maxSurge: number;
  /** 0: what the bundle's manifest says. */
  readonly readyTimeoutSeconds: number;
  readonly drainTimeoutSeconds: number;
}

export const defaultStrategy: RolloutStrategy = { maxSurge: 1, readyTimeoutSeconds: 0, drainTimeoutSeconds: 25 };

export type DesiredState = "running" | "stopped";

/** What an app should be, without its digest. */
export interface AppWish {
  readonly appId: AppId;
  readonly name: string;
  readonly environment: string;
  /** Grows by one with every change of the spec. */
  readonly generation: bigint;
  /** Grows by one with every deploy and rollback that changes something. */
  readonly revision: bigint;
  readonly version: string;
  readonly desiredState: DesiredState;
  readonly replicas: number;
  /** Empty until the first restart. */
  readonly restartNonce: string;
  readonly bundle: ArtefactRef;
  readonly configuration: ArtefactRef | undefined;
  /** 0 lets the agent choose. */
  readonly publicPort: number;
  /** On the ports that apps share. */
  readonly routes: readonly AppRoute[];
  readonly strategy: RolloutStrategy;
}

export interface AppSpec extends AppWish {
  /** "sha256:<hex>" over the canonical JSON of the spec; see `specDigest`. */
  readonly specDigest: string;
  /** Trace of the operator's command that made this generation; no part of any digest. */
  readonly traceparent: string;
}

export interface AppRecord {
  readonly spec: AppSpec;
  readonly org: string;
  readonly fabricId: FabricId;
  readonly manifestJson: string;
  readonly gatekeeper: GatekeeperValues;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly life: AppLife;
}

export type AppLife =
  | { readonly state: "live" }
  /** Stays until the agent reports that it has removed the app. */
  | { readonly state: "deleting"; readonly deletedAt: Date; readonly requestId: string };

/** One deployed version of an app. */
export interface Revision {
  readonly revision: bigint;
  readonly version: string;
  readonly bundle: ArtefactRef;
  readonly configuration: ArtefactRef | undefined;
  readonly manifestJson: string;
  readonly createdAt: Date;
  readonly requestedBy: string;
  /** "deploy" or "rollback to <n>" */
  readonly cause: string;
  /** When it was first seen serving; undefined if it never was. */
  readonly servedAt: Date | undefined;
}

/** How operators name an app. */
export interface AppAddress {
  readonly org: string;
  readonly environment: string;
  readonly name: string;
}
