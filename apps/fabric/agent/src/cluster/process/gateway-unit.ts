import { rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  gatewayDirectory,
  gatewayOwnDirectory,
  gatewayPaths,
  readGatewayStatuses,
  readRoutes,
  readUnitSpec,
  unitPaths,
  writeRoutes,
  type AppRoute,
} from "@drawbridge/app-routes";
import { listUnitIds } from "./app-folder.ts";
import { translateWriteError } from "./driver-errors.ts";
import type { ResolvedOptions } from "./driver-options.ts";
import { leaveSpools } from "./gateways/leave-spools.ts";
import { planGateways, type GatewayStep } from "./gateways/plan-gateways.ts";
import { readGateway, readGatewayStates, readGatewayUnits } from "./gateways/read-gateways.ts";
import { seedOwnFolder } from "./gateways/seed-own-folder.ts";
import { createUnitFolder, startShim } from "./launch-unit.ts";
import { signalStop, terminateUnit, writeWish } from "./terminate-unit.ts";
import { gatewayGraceMs, gatewaySpec, gatewayTemplate } from "./unit-specs.ts";

/** The fabric's gateway processes, and which apps they serve. */
export interface Gateway {
  /** Returns when a shim of one runs; at once if it does already. */
  start(): Promise<void>;
  /** One look at all of them and what follows from it: replaced, added, taken away. Never waits for a gateway. */
  tend(): Promise<void>;
  /** Serve an app, at another port than before if need be. */
  route(route: AppRoute): void;
  /** Serve it no more; the processes end with the last app. */
  unroute(appId: string): Promise<void>;
}

/** Invariant: starts and stops of processes come one after the other; routes change within one turn of the event loop. */
export function createGateway(options: ResolvedOptions): Gateway {
  const paths = gatewayPaths(gatewayDirectory(options.stateDirectory));
  const { clock, logger } = options;
  let latest: Promise<void> = Promise.resolve();

  function inTurn(work: () => Promise<void>): Promise<void> {
    const turn = latest.catch(() => undefined).then(work);
    latest = turn;
    return turn;
  }

  async function converge(): Promise<void> {
    const units = readGatewayUnits(paths);
    const desired = { replicas: options.gateways, template: gatewayTemplate(options, paths.directory) };
    const steps = planGateways(units, desired, clock.now());
    const sources = units.filter((unit) => unit.hasProcess && unit.wish === undefined);
    const source = (sources.find(({ isServing }) => isServing) ?? sources[0])?.unitId;
    const started = await Promise.allSettled(steps.map((step) => execute(step, source)));
    for (const outcome of started) if (outcome.status === "rejected") throw outcome.reason;
    const left = await leaveSpools(paths.directory, readGatewayUnits(paths), clock.now());
    for (const spool of left) logger.info({ spool }, "what a gateway did not report is left to the others");
  }

  async function execute({ action, unitId }: GatewayStep, source: string | undefined): Promise<void> {
    const directory = join(paths.units, unitId);
    switch (action) {
      case "start":
        await makeUnit(unitId, source);
        await startShim(directory, {}, options);
        return logger.info({ gateway: unitId }, "gateway started");
      case "recover":
        logger.warn({ gateway: unitId }, "supervisor of a gateway died, starting another");
        return startShim(directory, {}, options);
      case "retire": {
        const since = clock.now();
        writeWish(unitPaths(directory), {
          wish: "stop",
          since,
          deadlineAt: new Date(since.getTime() + gatewayGraceMs),
        });
        signalStop(directory);
        return logger.info({ gateway: unitId }, "gateway is replaced or not wanted any more: it drains");
      }
      case "kill":
        return endUnit(directory, { clock, graceMs: 0 });
    }
  }

  /** A folder that a stopped gateway left holds only its logs. */
  async function makeUnit(unitId: string, source: string | undefined): Promise<void> {
    const directory = join(paths.units, unitId);
    try {
      await mkdir(paths.directory, { recursive: true, mode: 0o700 });
      await mkdir(paths.units, { recursive: true, mode: 0o700 });
      if (source !== undefined) {
        const ownOf = (gatewayId: string): string => gatewayOwnDirectory(paths.directory, gatewayId);
        await seedOwnFolder(ownOf(source), ownOf(unitId));
      }
      await rm(directory, { recursive: true, force: true });
      await createUnitFolder(directory, gatewaySpec({ ...options, directory: paths.directory, unitId }));
    } catch (error) {
      throw translateWriteError(error, paths.directory);
    }
  }

  function change(change_: (apps: readonly AppRoute[]) => readonly AppRoute[]): number {
    const before = readRoutes(paths.routes) ?? { sequence: 0, apps: [] };
    const apps = change_(before.apps);
    try {
      writeRoutes(paths.routes, { sequence: before.sequence + 1, apps, shared: options.sharedPorts });
    } catch (error) {
      throw translateWriteError(error, paths.routes);
    }
    return apps.length;
  }

  // A gateway outlives the agent: what the operator set meanwhile reaches it through the file.
  const known = readRoutes(paths.routes);
  if (known !== undefined && !isDeepStrictEqual(known.shared, options.sharedPorts)) change((apps) => apps);

  return {
    start: () =>
      inTurn(async () => {
        if (!readGateway(readGatewayStates(paths)).hasShim) await converge();
      }),
    tend: () =>
      inTurn(async () => {
        // Without an app there is nobody to serve: `unroute` has ended them.
        if ((readRoutes(paths.routes)?.apps.length ?? 0) > 0) await converge();
      }),
    route: (route) => {
      change((apps) => [...apps.filter(({ appId }) => appId !== route.appId), route]);
    },
    unroute: async (appId) => {
      const routes = readRoutes(paths.routes);
      const route = routes?.apps.find((candidate) => candidate.appId === appId);
      if (route === undefined) return;
      change((apps) => apps.filter((candidate) => candidate.appId !== appId));
      for (const { path } of readGatewayStatuses(route.statusPath)) rmSync(path, { force: true });
      await inTurn(async () => {
        if ((readRoutes(paths.routes)?.apps.length ?? 0) > 0) return;
        await stopGateways(options.stateDirectory, options);
      });
    },
  };
}

/** End all gateways, whoever started them. */
export async function stopGateways(
  stateDirectory: string,
  { clock, graceMs = idleGraceMs }: Pick<ResolvedOptions, "clock"> & { readonly graceMs?: number },
): Promise<void> {
  const { units } = gatewayPaths(gatewayDirectory(stateDirectory));
  await Promise.all(listUnitIds(units).map((unitId) => endUnit(join(units, unitId), { clock, graceMs })));
}

async function endUnit(
  directory: string,
  options: Pick<ResolvedOptions, "clock"> & { readonly graceMs: number },
): Promise<void> {
  const spec = readUnitSpec(unitPaths(directory));
  if (spec === undefined) return; // it was never finished
  const { unitId, appId } = spec;
  await terminateUnit({ directory, appId, unitId, ...options });
}

/** They serve nobody: what is left are connections without a request. */
const idleGraceMs = 2_000;
