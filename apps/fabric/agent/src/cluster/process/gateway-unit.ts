import { rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  gatewayDirectory,
  gatewayPaths,
  readRoutes,
  readUnitSpec,
  readUnitState,
  unitPaths,
  writeRoutes,
  type AppRoute,
} from "@drawbridge/app-routes";
import type { AppPaths } from "./app-folder.ts";
import type { CurrentGateway } from "./current-app.ts";
import { translateWriteError } from "./driver-errors.ts";
import type { ResolvedOptions } from "./driver-options.ts";
import { createUnitFolder, startShim } from "./launch-unit.ts";
import { crashLoopExits } from "./plan-steps.ts";
import { hasShim } from "./has-shim.ts";
import { terminateUnit } from "./terminate-unit.ts";
import { gatewayId, gatewaySpec } from "./unit-specs.ts";

type GatewayPaths = AppPaths["gateway"];

/** The fabric's one gateway process, and which apps it serves. */
export interface Gateway {
  /** Returns when its shim runs; at once if it does already. */
  start(): Promise<void>;
  /** Serve an app, at another port than before if need be. */
  route(route: AppRoute): void;
  /** Serve it no more; the process ends with the last app. */
  unroute(appId: string): Promise<void>;
}

/** Invariant: starts and stops of the process come one after the other; routes change within one turn of the event loop. */
export function createGateway(options: ResolvedOptions): Gateway {
  const paths = gatewayPaths(gatewayDirectory(options.stateDirectory));
  let latest: Promise<void> = Promise.resolve();

  function inTurn(work: () => Promise<void>): Promise<void> {
    const turn = latest.catch(() => undefined).then(work);
    latest = turn;
    return turn;
  }

  async function startNow(): Promise<void> {
    if (readGateway(paths).hasShim) return;
    const directory = gatewayUnitDirectory(paths);
    try {
      await mkdir(paths.directory, { recursive: true, mode: 0o700 });
      await mkdir(paths.units, { recursive: true, mode: 0o700 });
      // A folder that a stopped gateway left holds only its logs; one whose shim died may still have a process to adopt.
      const state = readUnitState(unitPaths(directory));
      if (state === undefined || state.phase === "stopped") {
        await rm(directory, { recursive: true, force: true });
        await createUnitFolder(directory, gatewaySpec({ ...options, directory: paths.directory }));
      }
    } catch (error) {
      throw translateWriteError(error, paths.directory);
    }
    await startShim(directory, {}, options);
    options.logger.info({ gateway: gatewayId }, "gateway started");
  }

  function change(change_: (apps: readonly AppRoute[]) => readonly AppRoute[]): number {
    const before = readRoutes(paths.routes) ?? { sequence: 0, apps: [] };
    const apps = change_(before.apps);
    try {
      writeRoutes(paths.routes, { sequence: before.sequence + 1, apps });
    } catch (error) {
      throw translateWriteError(error, paths.routes);
    }
    return apps.length;
  }

  return {
    start: () => inTurn(startNow),
    route: (route) => {
      change((apps) => [...apps.filter(({ appId }) => appId !== route.appId), route]);
    },
    unroute: async (appId) => {
      const routes = readRoutes(paths.routes);
      const route = routes?.apps.find((candidate) => candidate.appId === appId);
      if (route === undefined) return;
      change((apps) => apps.filter((candidate) => candidate.appId !== appId));
      rmSync(route.statusPath, { force: true });
      await inTurn(async () => {
        if ((readRoutes(paths.routes)?.apps.length ?? 0) > 0) return;
        await stopGateway(options.stateDirectory, options);
      });
    },
  };
}

/** End the gateway, whoever started it. */
export async function stopGateway(
  stateDirectory: string,
  options: Pick<ResolvedOptions, "clock"> & { readonly graceMs?: number },
): Promise<void> {
  const directory = gatewayUnitDirectory(gatewayPaths(gatewayDirectory(stateDirectory)));
  const spec = readUnitSpec(unitPaths(directory));
  if (spec === undefined) return; // there never was one
  const { unitId, appId } = spec;
  await terminateUnit({ directory, appId, unitId, graceMs: options.graceMs ?? idleGraceMs, clock: options.clock });
}

/** It serves nobody: what is left are connections without a request. */
const idleGraceMs = 2_000;

export function readGateway(paths: GatewayPaths): CurrentGateway {
  const unit = unitPaths(gatewayUnitDirectory(paths));
  const state = readUnitState(unit);
  if (state === undefined) return { hasShim: false, isFailing: false, lastExit: "" };
  return {
    hasShim: hasShim(unit, state),
    isFailing: state.phase === "crashed" && state.exits >= crashLoopExits,
    lastExit: state.lastExit,
  };
}

function gatewayUnitDirectory({ units }: GatewayPaths): string {
  return join(units, gatewayId);
}
