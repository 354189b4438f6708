import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readFrontStatus, type FrontStatus } from "./front-files.ts";

/** The first gateway; its own folder is the one that all share, as it was when there was one. */
const firstGatewayId = "gateway-0";

/** What one gateway keeps for itself, in the folder of all: cache, counters, where its admin listener is. */
export function gatewayOwnDirectory(directory: string, gatewayId: string): string {
  return gatewayId === firstGatewayId ? directory : join(directory, "own", gatewayId);
}

/** Where the gateways of a fabric find each other. */
export function gatewayPeersDirectory(directory: string): string {
  return join(directory, "peers");
}

/** What a gateway has not delivered of the requests that it reports, in its own folder. */
export function gatewaySpoolDirectory(ownDirectory: string): string {
  return join(ownDirectory, "analytics");
}

/** Spools that a gateway has taken over from others, in its own folder. */
export function takenSpoolsDirectory(ownDirectory: string): string {
  return join(ownDirectory, "taken-spools");
}

/**
 * Spools of gateways that are gone: folders `<gateway>.<when>`. Only whoever is sure that the gateway is gone, and starts none
 * with its name meanwhile, moves one there; any gateway of the fabric takes it by renaming it into `takenSpoolsDirectory`.
 */
export function leftSpoolsDirectory(directory: string): string {
  return join(directory, "left-spools");
}

/** What a gateway wrote down of what it sent out of the fabric (files of `@drawbridge/egress`). */
export function gatewayEgressDirectory(directory: string, gatewayId: string): string {
  return egressDirectoryIn(gatewayOwnDirectory(directory, gatewayId));
}

export function egressDirectoryIn(ownDirectory: string): string {
  return join(ownDirectory, "egress");
}

/** Where one gateway says how it serves an app: beside the route's `statusPath`, under its id. */
export function gatewayStatusPath(statusPath: string, gatewayId: string): string {
  return `${statusPath.replace(/\.json$/, "")}.${gatewayId}.json`;
}

export interface GatewayStatus {
  readonly gatewayId: string;
  readonly path: string;
  /** `undefined`: it cannot be read now. */
  readonly status: FrontStatus | undefined;
}

/** What all gateways say of an app, also those that are gone. */
export function readGatewayStatuses(statusPath: string): readonly GatewayStatus[] {
  const prefix = `${basename(statusPath).replace(/\.json$/, "")}.`;
  const suffix = ".json";
  let names: readonly string[];
  try {
    names = readdirSync(dirname(statusPath));
  } catch {
    return []; // no folder: nobody said anything
  }
  return names
    .filter((name) => name.startsWith(prefix) && name.endsWith(suffix) && name.length > prefix.length + suffix.length)
    .map((name) => {
      const path = join(dirname(statusPath), name);
      return { gatewayId: name.slice(prefix.length, -suffix.length), path, status: readFrontStatus(path) };
    });
}
