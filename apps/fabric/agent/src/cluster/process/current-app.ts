import type { FrontStatus, UnitPhase, UnitWish } from "@drawbridge/app-routes";

/** What is known of one supervised process of an app, whoever started it. */
interface CurrentUnit {
  readonly unitId: string;
  readonly createdAt: Date;
  readonly phase: UnitPhase;
  /** Its shim lives. */
  readonly hasShim: boolean;
  /** The supervised process lives. */
  readonly hasProcess: boolean;
  /** `undefined`: it should run. */
  readonly wish: UnitWish | undefined;
  /** Time between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number;
  readonly exits: number;
  readonly lastExit: string;
}

export interface CurrentReplica extends CurrentUnit {
  readonly revision: bigint;
  readonly templateDigest: string;
  readonly restarts: number;
  readonly startedAt: Date | undefined;
  /** `undefined`: it never was. */
  readonly lastReadyAt: Date | undefined;
}

export interface CurrentFront extends CurrentUnit {
  readonly port: number;
  readonly address: string;
  readonly status: FrontStatus["phase"];
  readonly detail: string;
  /** Endpoints that it routes by. */
  readonly sequence: number;
  /** Requests under way at replicas that get no new ones. */
  readonly draining: Readonly<Record<string, number>>;
}

export interface CurrentApp {
  readonly replicas: readonly CurrentReplica[];
  readonly fronts: readonly CurrentFront[];
  readonly endpoints: { readonly sequence: number; readonly replicaIds: readonly string[] };
}

/** Ended for good: nothing of it lives and nobody is to start it again. Only its logs are left. */
export function isFinished(unit: CurrentUnit): boolean {
  return !unit.hasShim && !unit.hasProcess && (unit.phase === "stopped" || unit.wish !== undefined);
}
