import { readdirSync, readFileSync } from "node:fs";

/** User and system time of one tick in /proc (sysconf(_SC_CLK_TCK) is 100 on every Linux that Node runs on). */
const ticksPerSecond = 100;

/** CPU seconds that a process and its children have used so far; 0 where there is no /proc. */
export function cpuSecondsOfTree(pid: number): number {
  const stats = readStats();
  const wanted = new Set([pid]);
  for (let grown = true; grown;) {
    grown = false;
    for (const [child, { parent }] of stats) {
      if (!wanted.has(parent) || wanted.has(child)) continue;
      wanted.add(child);
      grown = true;
    }
  }
  let ticks = 0;
  for (const member of wanted) ticks += stats.get(member)?.ticks ?? 0;
  return ticks / ticksPerSecond;
}

function readStats(): ReadonlyMap<number, { readonly parent: number; readonly ticks: number }> {
  const stats = new Map<number, { readonly parent: number; readonly ticks: number }>();
  for (const name of listProc()) {
    try {
      // proc(5): after the command in parentheses come state, ppid (4), ... utime (14), stime (15), cutime, cstime.
      const text = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const ticks = [11, 12].reduce((sum, index) => sum + Number(fields[index]), 0);
      stats.set(Number(name), { parent: Number(fields[1]), ticks });
    } catch {
      continue; // ended while we looked
    }
  }
  return stats;
}

function listProc(): readonly string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}
