import {
  frontConfigPath,
  frontStatusPath,
  initialUnitState,
  isAlive,
  readEndpoints,
  readFrontConfig,
  readFrontStatus,
  readRoutes,
  readUnitSpec,
  readUnitState,
  readUnitWish,
  unitPaths,
  type AppRoute,
  type UnitPaths,
  type UnitSpec,
  type UnitState,
} from "@drawbridge/app-routes";
import { listUnitIds, unitDirectory, type AppPaths } from "./app-folder.ts";
import type { CurrentApp, CurrentFront, CurrentReplica, CurrentRoute } from "./current-app.ts";
import { hasShim } from "./has-shim.ts";
import { readGateway, readGatewayRoute, readGatewayStates } from "./gateways/read-gateways.ts";

/** What runs and lies there now, from the state files checked against the process table. */
export function readCurrentApp(paths: AppPaths): CurrentApp {
  const endpoints = readEndpoints(paths.endpoints);
  const routes = readRoutes(paths.gateway.routes);
  const gateways = readGatewayStates(paths.gateway);
  return {
    hasSharedPort: routes?.shared?.http !== undefined || routes?.shared?.https !== undefined,
    replicas: listUnitIds(paths.replicas).flatMap((unitId) => readReplica(paths, unitId) ?? []),
    fronts: listUnitIds(paths.fronts).flatMap((unitId) => readFront(paths, unitId) ?? []),
    route: readRoute(
      routes?.apps.find(({ appId }) => appId === paths.appId),
      gateways,
    ),
    gateway: readGateway(gateways),
    endpoints: { sequence: endpoints?.sequence ?? 0, replicaIds: endpoints?.replicaIds ?? [] },
  };
}

function readReplica(app: AppPaths, unitId: string): CurrentReplica | undefined {
  const paths = unitPaths(unitDirectory(app, "replica", unitId));
  const spec = readUnitSpec(paths);
  if (spec === undefined) return undefined;
  const state = readUnitState(paths) ?? initialUnitState;
  return {
    ...readUnit(paths, { unitId, spec, state }),
    revision: BigInt(spec.revision),
    templateDigest: spec.templateDigest,
    restarts: state.restarts,
    startedAt: state.startedAt,
    lastReadyAt: state.lastReadyAt,
    protocol: spec.ports[0]?.protocol,
    gates: spec.gates,
  };
}

function readRoute(
  route: AppRoute | undefined,
  gateways: ReturnType<typeof readGatewayStates>,
): CurrentRoute | undefined {
  if (route === undefined) return undefined;
  return {
    port: route.port,
    address: route.address,
    hosts: route.hosts ?? [],
    ...readGatewayRoute(gateways, route),
  };
}

function readFront(app: AppPaths, unitId: string): CurrentFront | undefined {
  const directory = unitDirectory(app, "front", unitId);
  const paths = unitPaths(directory);
  const spec = readUnitSpec(paths);
  const config = readFrontConfig(frontConfigPath(directory));
  if (spec === undefined || config === undefined) return undefined;
  const state = readUnitState(paths) ?? initialUnitState;
  const status = readFrontStatus(frontStatusPath(directory));
  // What an earlier process of this front wrote says nothing about the present one.
  const current = isAlive(status?.process) ? status : undefined;
  return {
    ...readUnit(paths, { unitId, spec, state }),
    port: config.port,
    address: config.address,
    status: current?.phase ?? "starting",
    detail: current?.detail ?? "",
    sequence: current?.sequence ?? 0,
    draining: current?.draining ?? {},
  };
}

function readUnit(
  paths: UnitPaths,
  { unitId, spec, state }: { readonly unitId: string; readonly spec: UnitSpec; readonly state: UnitState },
) {
  return {
    unitId,
    createdAt: spec.createdAt,
    stopGraceMs: spec.stopGraceMs,
    phase: state.phase,
    hasShim: hasShim(paths, state),
    hasProcess: isAlive(state.app),
    wish: readUnitWish(paths),
    exits: state.exits,
    lastExit: state.lastExit,
  };
}
