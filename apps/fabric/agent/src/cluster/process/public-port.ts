import { isPortFree } from "../../shim/choose-ports.ts";
import { listAppIds, appPaths, readAppRecord, writeAppRecord, type AppPaths, type AppRecord } from "./app-folder.ts";
import { noFreePortError, portInUseError, translateWriteError } from "./driver-errors.ts";
import type { ResolvedOptions } from "./driver-options.ts";

/**
 * The port at which an app is served: what its spec says, else what it had before, else a free one of the range, kept in the
 * app's record from now on.
 *
 * @throws DrawbridgeError `PORT_IN_USE` where another app of this fabric has it, running or not (failed_precondition) |
 * `PORTS_EXHAUSTED` (resource_exhausted)
 */
export async function resolvePublicPort(
  app: { readonly appId: string; readonly name: string; readonly publicPort: number },
  paths: AppPaths,
  options: Pick<ResolvedOptions, "stateDirectory" | "publicPorts" | "address"> & {
    /** Ports that turned out to be taken while this was tried. */
    readonly without: ReadonlySet<number>;
  },
): Promise<number> {
  const record = readAppRecord(paths);
  const isKept = record?.port !== undefined && (record.isPortInUse || !options.without.has(record.port));
  const wanted = app.publicPort === 0 ? (isKept ? record.port : undefined) : app.publicPort;
  if (wanted !== undefined) {
    const owner = portOwners(options.stateDirectory).get(wanted);
    if (owner !== undefined && owner.appId !== app.appId) {
      throw portInUseError({ name: app.name, port: wanted, holder: `app ${owner.name} in ${owner.environmentName}` });
    }
    return wanted;
  }
  for (let port = options.publicPorts.from; port <= options.publicPorts.to; port += 1) {
    // To look is to take it for an instant: never at the port of an app whose front may be coming back.
    if (options.without.has(port) || portOwners(options.stateDirectory).has(port)) continue;
    if (!(await isPortFree(port, options.address))) continue;
    // Looked at again after the wait, and claimed in the same turn: two apps may be looking at once.
    if (portOwners(options.stateDirectory).has(port)) continue;
    updateAppRecord(paths, { port, isPortInUse: false });
    return port;
  }
  throw noFreePortError(options.publicPorts);
}

/** Change some fields of a record that exists; writes only what differs. */
export function updateAppRecord(paths: AppPaths, change: Partial<AppRecord>): void {
  const record = readAppRecord(paths);
  if (record === undefined) return;
  const next = { ...record, ...change };
  const isSame = (Object.keys(next) as (keyof AppRecord)[]).every((key) => next[key] === record[key]); // its own keys
  if (isSame) return;
  try {
    writeAppRecord(paths, next);
  } catch (error) {
    throw translateWriteError(error, paths.record);
  }
}

function portOwners(stateDirectory: string): ReadonlyMap<number, AppRecord> {
  const owners = new Map<number, AppRecord>();
  for (const appId of listAppIds(stateDirectory)) {
    const record = readAppRecord(appPaths(stateDirectory, appId));
    if (record?.port !== undefined) owners.set(record.port, record);
  }
  return owners;
}
