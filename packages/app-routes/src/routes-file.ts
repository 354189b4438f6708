import { join } from "node:path";
import { decodeStateFile } from "./decode-state-file.ts";
import { jsonFields } from "./json-fields.ts";
import { writeStateFile } from "./state-file.ts";

/** Written by the driver: the apps that the gateway serves. */
export interface Routes {
  /** Grows with every change. */
  readonly sequence: number;
  readonly apps: readonly AppRoute[];
}

export interface AppRoute {
  readonly appId: string;
  readonly appName: string;
  readonly environment: string;
  /** Where the gateway listens for it. */
  readonly address: string;
  readonly port: number;
  readonly endpointsPath: string;
  /** Folder of the replicas' unit folders. */
  readonly replicasDirectory: string;
  /** Where the gateway says how it serves it, as a `FrontStatus`. */
  readonly statusPath: string;
}

/** Folder of all that driver, agent and gateway share, under the driver's state folder. */
export function gatewayDirectory(stateDirectory: string): string {
  return join(stateDirectory, "gateway");
}

/** What is in that folder. */
export function gatewayPaths(directory: string) {
  return {
    directory,
    routes: join(directory, "routes.json"),
    /** The agent serves GatewayService on it. */
    feedSocket: join(directory, "feed.sock"),
    /** Unit folders of gateway processes, by unit id. */
    units: join(directory, "units"),
    /** The gateway's own: what it enforces, kept over restarts. */
    cache: join(directory, "cache"),
  } as const;
}

export const writeRoutes = (path: string, routes: Routes): void => writeStateFile(path, routes);

/** `undefined` while there are none, or while they are being overwritten on a full disk. */
export function readRoutes(path: string): Routes | undefined {
  return decodeStateFile(path, (json) => ({
    sequence: json.number("sequence"),
    apps: json.list("apps", appRouteFrom),
  }));
}

function appRouteFrom(value: unknown): AppRoute {
  const json = jsonFields(value);
  return {
    appId: json.text("appId"),
    appName: json.text("appName"),
    environment: json.text("environment"),
    address: json.text("address"),
    port: json.number("port"),
    endpointsPath: json.text("endpointsPath"),
    replicasDirectory: json.text("replicasDirectory"),
    statusPath: json.text("statusPath"),
  };
}
