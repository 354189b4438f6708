import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface CgroupReading {
  readonly cpuMs: number;
  readonly usedBytes: number;
  /** `undefined`: no limit. */
  readonly limitBytes: number | undefined;
}

/**
 * What the kernel has counted of a cgroup v2 (kernel documentation "Control Group v2": cpu.stat, memory.current, memory.stat,
 * memory.max). Memory without files that nobody has touched for a while, which it gives back for the asking; as Kubernetes counts
 * a working set. `undefined` where there is none.
 */
export function readCgroup(directory: string): CgroupReading | undefined {
  try {
    const read = (name: string): string => readFileSync(join(directory, name), "utf8");
    const valueOf = (text: string, name: string): number =>
      Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? NaN);
    const cpuMs = valueOf(read("cpu.stat"), "usage_usec") / 1_000;
    const current = Number(read("memory.current"));
    if (!Number.isFinite(cpuMs) || !Number.isFinite(current)) return undefined;
    const inactive = valueOf(read("memory.stat"), "inactive_file");
    const limit = Number(read("memory.max"));
    return {
      cpuMs,
      usedBytes: Math.max(0, current - (Number.isFinite(inactive) ? inactive : 0)),
      limitBytes: Number.isFinite(limit) ? limit : undefined, // "max"
    };
  } catch {
    return undefined; // none, or just removed
  }
}
