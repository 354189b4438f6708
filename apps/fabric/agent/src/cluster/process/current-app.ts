import type { AppProtocol, DeploymentGates, FrontStatus, HostPath, UnitPhase, UnitWish } from "@drawbridge/app-routes";

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
  /** What it speaks at the port that is served; `undefined`: HTTP/1.1. */
  readonly protocol: AppProtocol | undefined;
  /** What the gateway needs of its deployment; `undefined`: an agent that knew no gateway started it. */
  readonly gates: DeploymentGates | undefined;
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

/** How the gateway serves the app, if it does. */
export interface CurrentRoute extends Pick<
  CurrentFront,
  "port" | "address" | "status" | "detail" | "sequence" | "draining"
> {
  readonly hosts: readonly HostPath[];
  /** The process that said so lives. */
  readonly hasProcess: boolean;
}

/** The fabric's gateway. */
export interface CurrentGateway {
  readonly hasShim: boolean;
  /** It ended again and again and waits to be started once more. */
  readonly isFailing: boolean;
  readonly lastExit: string;
}

export interface CurrentApp {
  /** A shared port is open in this fabric. */
  readonly hasSharedPort: boolean;
  /** `undefined`: the gateway is not asked to serve it. */
  readonly route: CurrentRoute | undefined;
  readonly gateway: CurrentGateway;
  readonly replicas: readonly CurrentReplica[];
  readonly fronts: readonly CurrentFront[];
  readonly endpoints: { readonly sequence: number; readonly replicaIds: readonly string[] };
}

/** Ended for good: nothing of it lives and nobody is to start it again. Only its logs are left. */
export function isFinished(unit: CurrentUnit): boolean {
  return !unit.hasShim && !unit.hasProcess && (unit.phase === "stopped" || unit.wish !== undefined);
}
