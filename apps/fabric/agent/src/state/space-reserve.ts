import { randomBytes } from "node:crypto";
import { rm, stat, writeFile } from "node:fs/promises";
import { errorCodeOf } from "./atomic-file.ts";

/** A few snapshots fit; far less than any bundle. */
const defaultSizeBytes = 2 * 1024 * 1024;

/**
 * Space kept back in the state folder. On a full disk it is what lets the agent still store a wish, and so say for each app
 * that the disk is full, instead of falling silent.
 */
export interface SpaceReserve {
  /** Do `work`; if the disk is full, give the reserve up and do it once more. Builds the reserve up again when there is room. */
  use<T>(work: () => Promise<T>): Promise<T>;
}

export function createSpaceReserve(options: { readonly path: string; readonly sizeBytes?: number }): SpaceReserve {
  const sizeBytes = options.sizeBytes ?? defaultSizeBytes;

  async function build(): Promise<void> {
    const found = await stat(options.path).catch(() => undefined);
    if (found?.size === sizeBytes) return;
    try {
      // Random, because a file system that compresses keeps no room for zeros.
      await writeFile(options.path, randomBytes(sizeBytes), { mode: 0o600 });
    } catch {
      await rm(options.path, { force: true }); // no room now: the next use tries again
    }
  }

  return {
    async use(work) {
      await build();
      try {
        return await work();
      } catch (error) {
        if (errorCodeOf(error) !== "ENOSPC") throw error;
        await rm(options.path, { force: true });
        return work();
      }
    },
  };
}
