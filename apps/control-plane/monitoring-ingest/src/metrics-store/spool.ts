import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ColumnarStore } from "@drawbridge/columnar";
import { syncFolder } from "@drawbridge/durable-files";

/**
 * Folders of files on their way into the store. A folder is renamed into its place when all of its files are on the disk:
 * from then on what is in it is stored, once, whatever dies when. Its name makes the tokens of its inserts.
 */
export interface Spool {
  /** `write` puts files into the folder that it is given, synced. When this resolves, they outlive a crash. */
  put(name: string, write: (folder: string) => Promise<void>): Promise<void>;
  /** Names of the folders that are there, oldest first; what was cut off while it was written is removed. */
  recover(): Promise<readonly string[]>;
  /** Bring a folder's files into the store, each once however often this is repeated, and remove it. */
  insert(name: string): Promise<void>;
  /** Put a folder that the store refuses where somebody can look at it. */
  putAside(name: string): Promise<void>;
}

const unfinished = ".unfinished";
/** The file that each table's rows are in. */
const files = { metrics: "metrics.native", own: "own.native", baselines: "baselines.native" } as const;
const tables = { metrics: "app_metrics", own: "app_own_metrics", baselines: "counter_baseline" } as const;

export function metricsFile(folder: string): string {
  return join(folder, files.metrics);
}

export function ownFile(folder: string): string {
  return join(folder, files.own);
}

export function baselinesFile(folder: string): string {
  return join(folder, files.baselines);
}

export function createSpool(directory: string, store: Pick<ColumnarStore, "insertFiles">): Spool {
  const waiting = join(directory, "waiting");
  const refused = join(directory, "refused");
  return {
    put: async (name, write) => {
      const draft = join(waiting, name + unfinished);
      try {
        await mkdir(draft);
        await write(draft);
        await rename(draft, join(waiting, name));
      } catch (error) {
        await rm(draft, { recursive: true, force: true });
        throw error;
      }
      await syncFolder(waiting);
    },
    recover: async () => {
      await mkdir(waiting, { recursive: true, mode: 0o700 });
      const found = (await readdir(waiting)).toSorted();
      for (const name of found.filter((one) => one.endsWith(unfinished)))
        await rm(join(waiting, name), { recursive: true });
      return found.filter((name) => !name.endsWith(unfinished));
    },
    insert: async (name) => {
      const folder = join(waiting, name);
      const present = new Set(await readdir(folder));
      const kinds = (["metrics", "own", "baselines"] as const).filter((kind) => present.has(files[kind]));
      // Together, so that a backup has all of them or none.
      await store.insertFiles(
        kinds.map((kind) => ({ table: tables[kind], path: join(folder, files[kind]), token: `${name}-${kind}` })),
      );
      await rm(folder, { recursive: true });
    },
    putAside: async (name) => {
      await mkdir(refused, { recursive: true, mode: 0o700 });
      await rename(join(waiting, name), join(refused, name));
    },
  };
}
