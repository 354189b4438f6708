import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Mounting takes root; the run that decides (CI) is. */
export const canMount = process.getuid?.() === 0;

/** A file system of its own that can be filled to the last block. */
export interface SmallDisk extends Disposable {
  fill(): void;
  free(): void;
}

export function mountSmallDisk(directory: string, sizeMiB: number): SmallDisk {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m,mode=0700`, "tmpfs", directory]);
  const ballast = join(directory, "ballast");
  return {
    fill: () => {
      const file = openSync(ballast, "a");
      try {
        for (;;) writeSync(file, Buffer.alloc(4_096));
      } catch {
        closeSync(file); // full now
      }
    },
    free: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]: () => void execFileSync("umount", ["--lazy", directory]),
  };
}
