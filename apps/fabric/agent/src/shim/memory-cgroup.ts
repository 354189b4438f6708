import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface MemoryCgroup {
  add(pid: number): void;
  /** How many processes the kernel has killed here for want of memory. */
  oomKills(): number;
  /** Fails silently while processes are left in it. */
  remove(): void;
}

/**
 * A child of `parent` with a memory limit of its own (cgroup v2, kernel documentation "Control Group v2": memory.max,
 * memory.events). `undefined` where the folder may not be written or has no memory controller delegated to its children;
 * the watchdog then does the work.
 */
export function openMemoryCgroup(options: {
  readonly parent: string;
  readonly name: string;
  readonly limitBytes: number;
}): MemoryCgroup | undefined {
  const directory = join(options.parent, options.name);
  try {
    accessSync(options.parent, constants.W_OK);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "memory.max"), String(options.limitBytes), { flag: "r+" });
    writeFileSync(join(directory, "memory.oom.group"), "1", { flag: "r+" });
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
