import { watch } from "node:fs";
import { dirname } from "node:path";
import { readRoutes, watchEndpoints, type AppRoute, type Routes, type RoutingTable } from "@drawbridge/app-routes";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { SharedWish } from "../shared-ports/shared-ports.ts";

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
  /** Ports that apps share, and what is served there, when either has changed. */
  readonly onShared: (wish: SharedWish) => void;
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
  let lastShared = "";

  function begin(route: AppRoute): void {
    const stop = new AbortController();
    let last: RoutingTable | undefined;
    options.onApp({ route, table: undefined });
    const stopped = watchEndpoints(
      {
        endpointsPath: route.endpointsPath,
        replicasDirectory: route.replicasDirectory,
        clock,
        onTable: (table) => {
          if (stop.signal.aborted) return;
          if (last !== undefined && isSame(table, last)) return;
          last = table;
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
    // Another host is no reason to begin anew with an app: its gates stay as they are.
    const wanted = new Map(routes.apps.map(({ hosts: _shared, ...route }) => [route.appId, route]));
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
    const shared = sharedOf(routes);
    const text = JSON.stringify(shared);
    if (text === lastShared) return;
    lastShared = text;
    options.onShared(shared);
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

function sharedOf({ shared, apps }: Routes): SharedWish {
  const routes = apps.flatMap(({ appId, hosts = [] }) =>
    hosts.map(({ host, path }) => ({ host, pathPrefix: path, appId })),
  );
  return { ports: shared, routes };
}

/** A file that did not change gives the same deployments, which may be thousands of bindings. */
function isSame(table: RoutingTable, last: RoutingTable): boolean {
  return (
    table.deployments === last.deployments &&
    table.sequence === last.sequence &&
    JSON.stringify(table.routes) === JSON.stringify(last.routes)
  );
}

function safely<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // no folder yet, or out of inotify watches: the poll remains
  }
}
