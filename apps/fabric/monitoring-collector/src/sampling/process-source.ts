import { totalmem } from "node:os";
import { join } from "node:path";
import {
  appsDirectory,
  isAlive,
  listFolders,
  readAppNames,
  readUnitSpec,
  readUnitState,
  residentBytes,
  unitCgroup,
  unitPaths,
  type AppNames,
  type UnitSpec,
  type UnitState,
} from "@drawbridge/app-routes";
import type { CpuReading, ProcessTimes } from "./cpu-reading.ts";
import { familiesOf, lookAtProcesses } from "./process-families.ts";
import type { ProcessLook } from "./process-times.ts";
import { readCgroup } from "./read-cgroup.ts";
import type { AppEndpoint, ReplicaReading, ReplicaSource } from "./replica-source.ts";

const loopback = new Set(["127.0.0.1", "::1"]);

interface Unit {
  readonly names: AppNames;
  readonly spec: UnitSpec;
  readonly state: UnitState;
}

/**
 * Replicas of the agent's process driver, found by the files that driver and shims write (packages/app-routes), which are only
 * read. A replica that has a cgroup of its own is looked at there, any other by the processes of its group, its session and their
 * descendants.
 */
export function createProcessSource(clusterDirectory: string): ReplicaSource {
  /** A spec is written once. */
  let specs = new Map<string, UnitSpec>();

  function readUnits(): readonly Unit[] {
    const seen = new Map<string, UnitSpec>();
    const units = listFolders(appsDirectory(clusterDirectory)).flatMap((appFolder) => {
      const directory = join(appsDirectory(clusterDirectory), appFolder);
      const names = readAppNames(directory);
      if (names === undefined) return [];
      return listFolders(join(directory, "replicas")).flatMap((unitId): readonly Unit[] => {
        const paths = unitPaths(join(directory, "replicas", unitId));
        const spec = specs.get(paths.directory) ?? readUnitSpec(paths);
        const state = readUnitState(paths);
        if (spec === undefined || state === undefined) return [];
        seen.set(paths.directory, spec);
        return [{ names, spec, state }];
      });
    });
    specs = seen;
    return units;
  }

  return {
    read: () => {
      const units = readUnits();
      const processes = lookAtProcesses();
      const families = familiesOf(
        units.flatMap(({ state }) => state.app ?? []),
        processes,
      );
      const byPid = new Map(processes.map((process) => [process.pid, process]));
      return Promise.resolve(
        units.map((unit) => {
          const leader = isAlive(unit.state.app) ? unit.state.app : undefined;
          const family = leader === undefined ? [] : (families.get(leader.pid) ?? []);
          const shim = isAlive(unit.state.shim) ? byPid.get(unit.state.shim.pid) : undefined;
          return readingOf(unit, { family, shim });
        }),
      );
    },
  };
}

function readingOf(
  { names, spec, state }: Unit,
  { family, shim }: { readonly family: readonly ProcessLook[]; readonly shim: ProcessLook | undefined },
): ReplicaReading {
  const identity = {
    appId: names.appId,
    app: names.name,
    environment: names.environmentName,
    replicaId: spec.unitId,
    version: spec.environment["DRAWBRIDGE_VERSION"] ?? "",
  };
  const startedAtMs = state.startedAt?.getTime();
  const endpoint = isAlive(state.app) ? endpointOf(spec, state) : undefined;
  const directory = unitCgroup(spec);
  const cgroup = directory === undefined ? undefined : readCgroup(directory);
  const totalBytes = cgroup?.limitBytes ?? spec.memoryLimitBytes ?? totalmem();
  if (cgroup !== undefined) {
    const isRunning = family.length > 0;
    return {
      identity,
      startedAtMs,
      cpu: { kind: "cgroup", usedMs: cgroup.cpuMs },
      memory: isRunning ? { usedBytes: cgroup.usedBytes, totalBytes } : undefined,
      endpoint,
    };
  }
  const isUnknown = family.length === 0 && shim === undefined;
  const usedBytes = family.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  return {
    identity,
    startedAtMs,
    cpu: isUnknown ? undefined : cpuOf(family, shim),
    memory: family.length === 0 ? undefined : { usedBytes, totalBytes },
    endpoint,
  };
}

/** The shim has chosen the port, so an app cannot have another's asked; and only this machine is asked. */
function endpointOf({ metrics }: UnitSpec, { ports, address }: UnitState): AppEndpoint | undefined {
  const port = metrics === undefined ? undefined : ports[metrics.portName];
  if (metrics === undefined || port === undefined || !loopback.has(address)) return undefined;
  return { address, port, path: metrics.path, names: metrics.names };
}

/** Of the shim only what it has waited for: the replica's process, when that has ended. */
function cpuOf(family: readonly ProcessLook[], shim: ProcessLook | undefined): CpuReading {
  const processes: Record<string, ProcessTimes> = {};
  for (const { key, times } of family) processes[key] = times;
  if (shim !== undefined) processes[shim.key] = { ownMs: 0, waitedMs: shim.times.waitedMs };
  return { kind: "processes", processes };
}
