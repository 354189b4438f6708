import { watch, type FSWatcher } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "@drawbridge/lifecycle";
import { readEndpoints, type DeploymentEndpoints, type Endpoints } from "./endpoints-file.ts";
import { isAlive } from "./process-table.ts";
import { rememberFile } from "./remember-file.ts";
import { readUnitSpec, readUnitState, unitPaths, type AppProtocol } from "./unit-files.ts";

/** Where the system tells of changes this only heals what it missed. */
const pollIntervalMs = 500;

/** Where a ready replica answers. */
export interface Route {
  readonly replicaId: string;
  readonly address: string;
  readonly port: number;
  readonly protocol: AppProtocol;
}

export interface RoutingTable {
  readonly sequence: number;
  /** All that should get requests, ready or not. */
  readonly listed: ReadonlySet<string>;
  /** Those that are ready. */
  readonly routes: readonly Route[];
  readonly deployments: readonly DeploymentEndpoints[];
}

/**
 * Keep the routing table current until `signal` aborts: the endpoints that the driver listed, as far as their own state
 * files say that they are ready and their process lives. So replicas come and go without the agent.
 */
export async function watchEndpoints(
  options: {
    readonly endpointsPath: string;
    readonly replicasDirectory: string;
    readonly clock: Clock;
    readonly onTable: (table: RoutingTable) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const { clock } = options;
  const watchers = new Map<string, FSWatcher>();
  const read = rememberFile(options.endpointsPath, readEndpoints);
  let last: Endpoints = { sequence: 0, replicaIds: [], deployments: [] };
  let wake = new AbortController();

  function watchFolder(folder: string): void {
    if (watchers.has(folder)) return;
    try {
      const watcher = watch(folder, { persistent: false }, () => wake.abort());
      watcher.on("error", () => watcher.close());
      watchers.set(folder, watcher);
    } catch {
      // gone already, or out of inotify watches: the poll remains
    }
  }

  try {
    while (!signal.aborted) {
      wake = new AbortController();
      last = read() ?? last;
      const folders = new Set([
        dirname(options.endpointsPath),
        ...last.replicaIds.map((replicaId) => join(options.replicasDirectory, replicaId)),
      ]);
      for (const folder of folders) watchFolder(folder);
      for (const [folder, watcher] of watchers) {
        if (folders.has(folder)) continue;
        watcher.close();
        watchers.delete(folder);
      }
      options.onTable({
        sequence: last.sequence,
        listed: new Set(last.replicaIds),
        routes: last.replicaIds.flatMap((replicaId) => routeTo(options.replicasDirectory, replicaId) ?? []),
        deployments: last.deployments,
      });
      await clock.sleep(pollIntervalMs, AbortSignal.any([signal, wake.signal])).catch(() => undefined); // woken
    }
  } finally {
    for (const watcher of watchers.values()) watcher.close();
  }
}

function routeTo(replicasDirectory: string, replicaId: string): Route | undefined {
  const paths = unitPaths(join(replicasDirectory, replicaId));
  const state = readUnitState(paths);
  if (state?.phase !== "ready" || !isAlive(state.app)) return undefined;
  const served = readUnitSpec(paths)?.ports[0];
  const port = served && state.ports[served.name];
  if (port === undefined) return undefined;
  return { replicaId, address: state.address, port, protocol: served?.protocol ?? "http1" };
}
