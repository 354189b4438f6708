import { realpathSync } from "node:fs";
import {
  appsDirectory,
  gatewayDirectory,
  findByArgument,
  readUnitSpec,
  sendSignal,
  shimArgument,
  unitPaths,
} from "@drawbridge/app-routes";
import { systemClock, type Clock } from "@drawbridge/lifecycle";
import { appPaths, listAppIds, listUnitIds, unitDirectory, type AppPaths } from "./app-folder.ts";
import { stopGateways } from "./gateway-unit.ts";
import { terminateUnit } from "./terminate-unit.ts";

/** A front without replicas has nothing to finish but what it says itself. */
const frontGraceMs = 1_000;

/** Stop every process of an app: replicas first, so that the front answers until the last request has ended. */
export async function stopApp(
  paths: AppPaths,
  appId: string,
  options: {
    /** For each process; absent: what its own spec says. */
    readonly graceMs?: number;
    readonly clock: Clock;
  },
): Promise<void> {
  const terminateAll = (kind: "replica" | "front", folder: string, limitMs: number) =>
    Promise.all(
      listUnitIds(folder).map((unitId) => {
        const directory = unitDirectory(paths, kind, unitId);
        const graceMs = options.graceMs ?? readUnitSpec(unitPaths(directory))?.stopGraceMs ?? 0;
        return terminateUnit({ directory, appId, unitId, graceMs: Math.min(graceMs, limitMs), clock: options.clock });
      }),
    );
  await terminateAll("replica", paths.replicas, Infinity);
  await terminateAll("front", paths.fronts, frontGraceMs);
}

/**
 * Stop all apps of a state folder, whoever started them, and with them their fronts and shims. For the end of a local stack and
 * for tests; the agent must not run, or it would start them again. The next `apply` brings them up anew.
 */
export async function stopEverything(
  stateDirectory: string,
  { graceMs = 3_000, clock = systemClock }: { readonly graceMs?: number; readonly clock?: Clock } = {},
): Promise<void> {
  let directory: string;
  try {
    directory = realpathSync(stateDirectory);
  } catch {
    return; // no folder: nothing was ever started
  }
  await Promise.all(
    listAppIds(directory).map((appId) => stopApp(appPaths(directory, appId), appId, { graceMs, clock })),
  );
  await stopGateways(directory, { graceMs, clock });
  // A shim whose folder was removed from under it is still a shim.
  const prefixes = [appsDirectory(directory), gatewayDirectory(directory)].map((folder) => shimArgument(`${folder}/`));
  const isOurs = (argument: string): boolean => prefixes.some((prefix) => argument.startsWith(prefix));
  for (const pid of findByArgument(isOurs)) sendSignal(pid, "SIGTERM");
}
