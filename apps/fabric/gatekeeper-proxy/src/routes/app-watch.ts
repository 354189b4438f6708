import { watch } from "node:fs";
import { dirname } from "node:path";
import { readRoutes, watchEndpoints, type AppRoute, type RoutingTable } from "@drawbridge/app-routes";
import type { Clock, Component } from "@drawbridge/lifecycle";

/** An app that the gateway serves, and what the driver and its replicas' own files say about it. */
export interface ServedApp {
  readonly route: AppRoute;
  /** `undefined` until its endpoints were read. */
  readonly table: RoutingTable | undefined;
}

interface AppWatchOptions {
  readonly routesPath: string;
  readonly clock: Clock;
  readonly onApp: (app: ServedApp) => void;
  readonly onRemoved: (appId: string) => void;
}

/** Where the system tells of changes this only heals what it missed. */
const pollIntervalMs = 500;

interface Watched {
  readonly route: AppRoute;
  readonly stopping: AbortController;
  readonly stopped: Promise<void>;
}

/**
 * Follow the driver's routes file and, for each app in it, its endpoints. A file that cannot be read changes nothing: what
 * was read before stays.
 */
export function createAppWatch(options: AppWatchOptions): Component & { readonly isRead: () => boolean } {
  const { clock, routesPath } = options;
  const watched = new Map<string, Watched>();
  const stopping = new AbortController();
  let running = Promise.resolve();
  let isRead = false;

  function begin(route: AppRoute): void {
    const stop = new AbortController();
    let last = "";
    options.onApp({ route, table: undefined });
    const stopped = watchEndpoints(
      {
        endpointsPath: route.endpointsPath,
        replicasDirectory: route.replicasDirectory,
        clock,
        onTable: (table) => {
          if (stop.signal.aborted) return;
          const text = JSON.stringify([table, [...table.listed]]);
          if (text === last) return;
          last = text;
          options.onApp({ route, table });
        },
      },
      stop.signal,
    );
    watched.set(route.appId, { route, stopping: stop, stopped });
  }

  function end(appId: string): void {
    watched.get(appId)?.stopping.abort();
    watched.delete(appId);
  }

  function read(): void {
    const routes = readRoutes(routesPath);
    if (routes === undefined) return;
    isRead = true;
    const wanted = new Map(routes.apps.map((route) => [route.appId, route]));
    for (const appId of watched.keys()) {
      if (wanted.has(appId)) continue;
      end(appId);
      options.onRemoved(appId);
    }
    for (const [appId, route] of wanted) {
      const known = watched.get(appId);
      if (known !== undefined && JSON.stringify(known.route) === JSON.stringify(route)) continue;
      end(appId);
      begin(route);
    }
  }

  async function run(): Promise<void> {
    let wake = new AbortController();
    const watcher = safely(() => watch(dirname(routesPath), { persistent: false }, () => wake.abort()));
    watcher?.on("error", () => watcher.close());
    while (!stopping.signal.aborted) {
      wake = new AbortController();
      read();
      const signal = AbortSignal.any([stopping.signal, wake.signal]);
      await clock.sleep(pollIntervalMs, signal).catch(() => undefined); // woken
    }
    watcher?.close();
  }

  return {
    name: "apps",
    isRead: () => isRead,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort();
      const all = [...watched.values()];
      for (const app of all) app.stopping.abort();
      await Promise.all([running, ...all.map(({ stopped }) => stopped)]);
    },
  };
}

function safely<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // no folder yet, or out of inotify watches: the poll remains
  }
}
