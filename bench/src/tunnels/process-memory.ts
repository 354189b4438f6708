import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { systemClock } from "@drawbridge/lifecycle";

/** Resident set of a process, in KiB. */
export function residentKiB(pid: number): number {
  try {
    // proc(5): VmRSS is the sum of anonymous, file and shared pages.
    const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kib);
  } catch {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }));
  }
}

/** The lowest of several readings: garbage that waits to be collected is no memory that a tunnel needs. */
export async function settledKiB(pid: number, overMs: number): Promise<number> {
  let lowest = Infinity;
  for (let left = overMs; left > 0; left -= 500) {
    await systemClock.sleep(500);
    lowest = Math.min(lowest, residentKiB(pid));
  }
  return lowest;
}
