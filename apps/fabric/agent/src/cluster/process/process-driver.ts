import { chmodSync, mkdirSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { availableParallelism, release, totalmem, type } from "node:os";
import { delimiter, dirname, extname, join } from "node:path";
import { appsDirectory } from "@drawbridge/app-routes";
import { DrawbridgeError } from "@drawbridge/errors";
import type { ClusterDriver, ClusterFacts } from "../cluster-driver.ts";
import { appPaths, isAppId, listAppIds } from "./app-folder.ts";
import { convergeApp } from "./converge-app.ts";
import { defaultOptions, type ProcessDriverOptions, type ResolvedOptions } from "./driver-options.ts";
import { createGateway } from "./gateway-unit.ts";
import { observeApp } from "./observe-app.ts";
import { readLogs } from "./read-logs.ts";
import { stopApp } from "./stop-everything.ts";
import { compileCacheDirectory } from "./unit-specs.ts";

/**
 * Runs apps as supervised processes of this machine, without any other software, and without root but for `appUsers`.
 *
 * Invariants: one convergence or removal at a time per app; one driver per state folder (the agent's lock sees to it).
 */
export function createProcessDriver(given: ProcessDriverOptions): ClusterDriver {
  const options = resolveOptions(given);
  const gateway = createGateway(options);
  const latest = new Map<string, Promise<void>>();

  /** Run after what was asked for the same app before has ended, however it ended. */
  function inTurn(appId: string, work: () => Promise<void>): Promise<void> {
    const turn = (latest.get(appId) ?? Promise.resolve()).catch(() => undefined).then(work);
    latest.set(appId, turn);
    void turn
      .catch(() => undefined) // the caller's to handle
      .then(() => (latest.get(appId) === turn ? latest.delete(appId) : false));
    return turn;
  }

  return {
    kind: "process",
    info: () => Promise.resolve(clusterFacts()),
    observe: async (signal) => {
      signal.throwIfAborted();
      return listAppIds(options.stateDirectory).flatMap((appId) => observeApp(options.stateDirectory, appId) ?? []);
    },
    apply: (app, signal) => {
      assertAppId(app.appId);
      return inTurn(app.appId, () => convergeApp(app, { ...options, gateway }, signal));
    },
    remove: (appId, signal) => {
      assertAppId(appId);
      return inTurn(appId, async () => {
        signal.throwIfAborted();
        const paths = appPaths(options.stateDirectory, appId);
        await stopApp(paths, appId, { clock: options.clock });
        await gateway.unroute(appId);
        await rm(paths.directory, { recursive: true, force: true });
      });
    },
    tend: (signal) => {
      signal.throwIfAborted();
      return gateway.tend();
    },
    logs: (request, signal) => {
      assertAppId(request.appId);
      return readLogs(appPaths(options.stateDirectory, request.appId), request, { clock: options.clock, signal });
    },
  };
}

function resolveOptions(given: ProcessDriverOptions): ResolvedOptions {
  if (process.platform !== "linux") {
    throw new DrawbridgeError({
      kind: "unimplemented",
      code: "DRIVER_UNSUPPORTED",
      message: "The process driver needs Linux: it tells processes apart by /proc. Use the kubernetes driver here.",
    });
  }
  mkdirSync(given.stateDirectory, { recursive: true, mode: 0o711 });
  mkdirSync(compileCacheDirectory(given.stateDirectory), { recursive: true, mode: 0o700 });
  if (given.appUsers !== undefined && given.appUsers.kind !== "agent") {
    mkdirSync(appsDirectory(given.stateDirectory), { recursive: true });
    // To pass through and not to look into, whatever the umask was.
    for (const folder of [given.stateDirectory, appsDirectory(given.stateDirectory)]) chmodSync(folder, 0o711);
  }
  const sources = join(import.meta.dirname, "../..");
  const extension = extname(import.meta.filename); // .ts in a checkout, .js in an image
  return {
    ...defaultOptions,
    appPath: [dirname(process.execPath), "/usr/local/bin", "/usr/bin", "/bin"].join(delimiter),
    entryPoints: {
      shim: join(sources, `shim/main${extension}`),
      front: join(sources, `front/main${extension}`),
      gateway: gatewayEntry(sources, extension),
    },
    ...given,
    // One spelling for ever: shims are found in the process table by their folder.
    stateDirectory: realpathSync(given.stateDirectory),
  };
}

/** The app beside this one, in a checkout as in an image. */
function gatewayEntry(sources: string, extension: string): string {
  return join(sources, `../../gatekeeper-proxy/src/main${extension}`);
}

function assertAppId(appId: string): void {
  if (isAppId(appId)) return;
  throw new DrawbridgeError({ kind: "invalid_argument", code: "APP_ID_INVALID", message: "The app id is not a UUID." });
}

function clusterFacts(): ClusterFacts {
  return {
    nodes: 1,
    cpuMillicores: availableParallelism() * 1_000,
    // Without a limit the system answers 0 or nearly 2^64.
    memoryBytes: Math.min(process.constrainedMemory() || totalmem(), totalmem()),
    clusterVersion: `${type()} ${release()}`,
    containerRuntimeVersion: `node ${process.version}`,
  };
}
