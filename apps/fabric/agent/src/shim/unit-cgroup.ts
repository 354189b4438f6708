import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export interface UnitCgroup {
  add(pid: number): void;
  /** How many processes the kernel has killed here for want of memory. */
  oomKills(): number;
  /** Fails silently while processes are left in it. */
  remove(): void;
}

/** Over which a share of CPU time is measured, in microseconds; the kernel's default. */
const periodMicros = 100_000;

/**
 * A cgroup with limits of its own (cgroup v2, kernel documentation "Control Group v2": memory.max, memory.events,
 * cpu.max). `undefined` where it cannot be made; the driver has checked the parent, so that this is the exception, and the
 * watchdog then does the work.
 */
export function openUnitCgroup(options: {
  /** In a parent that the driver has checked. */
  readonly directory: string;
  readonly memoryBytes: number;
  /** Thousandths of a core. */
  readonly cpuMillis: number | undefined;
}): UnitCgroup | undefined {
  const { directory } = options;
  try {
    accessSync(dirname(directory), constants.W_OK);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "memory.max"), String(options.memoryBytes), { flag: "r+" });
    writeFileSync(join(directory, "memory.oom.group"), "1", { flag: "r+" });
    if (options.cpuMillis !== undefined) {
      const quotaMicros = Math.round((options.cpuMillis / 1_000) * periodMicros);
      writeFileSync(join(directory, "cpu.max"), `${quotaMicros} ${periodMicros}`, { flag: "r+" });
    }
    // Without this the limit only moves pages to swap and the app crawls instead of ending.
    const swap = join(directory, "memory.swap.max");
    if (existsSync(swap)) writeFileSync(swap, "0", { flag: "r+" });
  } catch {
    removeQuietly(directory);
    return undefined;
  }
  return {
    add: (pid) => {
      try {
        writeFileSync(join(directory, "cgroup.procs"), String(pid), { flag: "r+" });
      } catch {
        // it has just ended
      }
    },
    oomKills: () => {
      try {
        return Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(directory, "memory.events"), "utf8"))?.[1] ?? 0);
      } catch {
        return 0;
      }
    },
    remove: () => removeQuietly(directory),
  };
}

function removeQuietly(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // not made, or not empty yet
  }
}
