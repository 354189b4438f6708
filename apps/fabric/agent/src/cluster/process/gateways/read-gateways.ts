import { join } from "node:path";
import {
  gatewayStatusPath,
  initialUnitState,
  isAlive,
  readFrontStatus,
  readRoutes,
  readUnitSpec,
  readUnitState,
  readUnitWish,
  unitPaths,
  type AppRoute,
  type FrontStatus,
  type ProcessRef,
} from "@drawbridge/app-routes";
import { listUnitIds, type AppPaths } from "../app-folder.ts";
import type { CurrentGateway, CurrentRoute } from "../current-app.ts";
import { hasShim } from "../has-shim.ts";
import { crashLoopExits } from "../plan-steps.ts";
import { isOver, type CurrentGatewayUnit } from "./plan-gateways.ts";

type GatewayPaths = AppPaths["gateway"];

/** A gateway process that lives, and what it says of one app. */
interface Said {
  readonly isLeaving: boolean;
  /** `undefined`: nothing yet. */
  readonly status: FrontStatus | undefined;
}

/** Each gateway as its own files have it. */
type GatewayState = NonNullable<ReturnType<typeof readUnit>>;

/** The state files of all gateways, checked against the process table. */
export function readGatewayStates(paths: GatewayPaths): readonly GatewayState[] {
  return listUnitIds(paths.units).flatMap((unitId) => readUnit(paths, unitId) ?? []);
}

/** All gateways of the fabric that run or are to run. */
export function readGatewayUnits(paths: GatewayPaths): readonly CurrentGatewayUnit[] {
  const routes = readRoutes(paths.routes)?.apps ?? [];
  const units = readGatewayStates(paths);
  const listening = new Map(routes.map((route) => [route, units.filter((unit) => isListening(route, unit))]));
  return units.map((unit) =>
    Object.assign(unit, {
      isServing:
        unit.hasProcess && [...listening.values()].every((those) => those.length === 0 || those.includes(unit)),
    }),
  );
}

/** The gateways together, as one app's roll-out sees them. */
export function readGateway(gateways: readonly GatewayState[]): CurrentGateway {
  const units = gateways.filter((unit) => unit.wish === undefined && !isOver({ ...unit, isServing: false }));
  const isFailing = ({ phase, exits }: { phase: string; exits: number }): boolean =>
    phase === "crashed" && exits >= crashLoopExits;
  return {
    hasShim: units.some((unit) => unit.hasShim),
    isFailing: units.length > 0 && units.every(isFailing),
    lastExit: units.find(({ lastExit }) => lastExit !== "")?.lastExit ?? "",
  };
}

/**
 * How the gateways serve an app. It is listened for if one of them does; a list of replicas is in force, and a request over,
 * when all that live say so. One that is gone says nothing, and one that says nothing is waited for as long as a drain may take.
 */
export function readGatewayRoute(
  gateways: readonly GatewayState[],
  route: AppRoute,
): Pick<CurrentRoute, "hasProcess" | "status" | "detail" | "sequence" | "draining"> {
  const said = gateways
    .filter(({ hasProcess }) => hasProcess)
    .map((unit): Said => ({ isLeaving: unit.wish !== undefined, status: statusOf(route, unit) }));
  const staying = said.flatMap(({ isLeaving, status }) => (isLeaving || status === undefined ? [] : [status]));
  const shown =
    staying.find(({ phase }) => phase === "listening") ??
    staying.find(({ phase }) => phase === "port_in_use" || phase === "cannot_listen");
  // Where the port cannot be had no request comes.
  const reached = said.filter(({ status }) => status?.phase !== "port_in_use" && status?.phase !== "cannot_listen");
  const draining: Record<string, number> = {};
  for (const { status } of reached) {
    for (const [replicaId, count] of Object.entries(status?.draining ?? {}))
      draining[replicaId] = (draining[replicaId] ?? 0) + count;
  }
  return {
    hasProcess: said.length > 0,
    status: shown?.phase ?? "starting",
    detail: shown?.detail ?? "",
    sequence: reached.length === 0 ? 0 : Math.min(...reached.map(({ status }) => status?.sequence ?? 0)),
    draining,
  };
}

function isListening(
  route: AppRoute,
  unit: { readonly unitId: string; readonly ref: ProcessRef | undefined },
): boolean {
  return statusOf(route, unit)?.phase === "listening";
}

/** What an earlier process of this gateway wrote says nothing about the present one. */
function statusOf(
  route: AppRoute,
  { unitId, ref }: { readonly unitId: string; readonly ref: ProcessRef | undefined },
): FrontStatus | undefined {
  const status = readFrontStatus(gatewayStatusPath(route.statusPath, unitId));
  const isItsOwn = status?.process?.pid === ref?.pid && status?.process?.startTicks === ref?.startTicks;
  return isItsOwn && isAlive(status?.process) ? status : undefined;
}

function readUnit(paths: GatewayPaths, unitId: string) {
  const unit = unitPaths(join(paths.units, unitId));
  const spec = readUnitSpec(unit);
  if (spec === undefined) return undefined;
  const state = readUnitState(unit) ?? initialUnitState;
  return {
    unitId,
    template: spec.templateDigest,
    phase: state.phase,
    hasShim: hasShim(unit, state),
    hasProcess: isAlive(state.app),
    ref: state.app,
    wish: readUnitWish(unit),
    exits: state.exits,
    lastExit: state.lastExit,
  };
}
