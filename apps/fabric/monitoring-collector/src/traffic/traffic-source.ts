import { join } from "node:path";
import {
  appsDirectory,
  gatewayDirectory,
  gatewayOwnDirectory,
  gatewayPaths,
  listFolders,
  readRoutes,
  readTraffic,
  trafficPath,
  type Traffic,
} from "@drawbridge/app-routes";

/** What everybody who passes requests on has counted until now. */
export interface TrafficReading {
  /** By who counts: each has its own counters. `undefined`: they cannot be read now. */
  readonly counters: ReadonlyMap<string, Traffic | undefined>;
  /** Apps of which somebody counts requests: of these "none" is known. */
  readonly countedApps: ReadonlySet<string>;
}

export interface TrafficSource {
  read(): TrafficReading;
}

/** Fronts and gateways of the agent's process driver; their files are only read. */
export function createTrafficSource(clusterDirectory: string): TrafficSource {
  return {
    read: () => {
      const counters = new Map<string, Traffic | undefined>();
      const countedApps = new Set<string>();
      for (const appId of listFolders(appsDirectory(clusterDirectory))) {
        const fronts = join(appsDirectory(clusterDirectory), appId, "fronts");
        for (const unitId of listFolders(fronts)) {
          counters.set(`${appId}/${unitId}`, readTraffic(trafficPath(join(fronts, unitId))));
          countedApps.add(appId);
        }
      }
      const gateway = gatewayPaths(gatewayDirectory(clusterDirectory));
      for (const gatewayId of listFolders(gateway.units)) {
        counters.set(gatewayId, readTraffic(trafficPath(gatewayOwnDirectory(gateway.directory, gatewayId))));
      }
      for (const { appId } of readRoutes(gateway.routes)?.apps ?? []) countedApps.add(appId);
      return { counters, countedApps };
    },
  };
}
