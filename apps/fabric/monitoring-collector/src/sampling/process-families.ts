import { readdirSync } from "node:fs";
import type { ProcessRef } from "@drawbridge/app-routes";
import { lookAtProcess, type ProcessLook } from "./process-times.ts";

/** All processes of this machine, at one moment. */
export function lookAtProcesses(): readonly ProcessLook[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => lookAtProcess(Number(name)) ?? []);
}

/**
 * The processes of each leader: its group, its session and all their descendants. One walk over all processes, however many
 * leaders there are. A leader that is gone, or whose pid is somebody else's now, has none.
 */
export function familiesOf(
  leaders: readonly Pick<ProcessRef, "pid" | "startTicks">[],
  processes: readonly ProcessLook[],
): ReadonlyMap<number, readonly ProcessLook[]> {
  const byPid = new Map(processes.map((process) => [process.pid, process]));
  const taken = new Set(
    leaders.flatMap(({ pid, startTicks }) => {
      const holder = byPid.get(pid);
      return holder === undefined || holder.startTicks === startTicks ? [pid] : [];
    }),
  );
  const families = new Map<number, ProcessLook[]>();
  const leaderOf = new Map<number, number | undefined>();

  function find(process: ProcessLook): number | undefined {
    if (leaderOf.has(process.pid)) return leaderOf.get(process.pid);
    leaderOf.set(process.pid, undefined); // a parent that seems to be its own child ends the walk
    const direct = [process.pid, process.groupId, process.sessionId].find((pid) => taken.has(pid));
    const parent = byPid.get(process.parentPid);
    const leader = direct ?? (parent === undefined ? undefined : find(parent));
    leaderOf.set(process.pid, leader);
    return leader;
  }

  for (const process of processes) {
    const leader = find(process);
    if (leader === undefined) continue;
    const family = families.get(leader);
    if (family === undefined) families.set(leader, [process]);
    else family.push(process);
  }
  return families;
}
