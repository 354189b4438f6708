import { chmod, constants, mkdir, open, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ArchiveEntry } from "./archive-tree.ts";
import { diskFull, isDiskFull } from "./bundle-error.ts";

/** fsyncs under way at once: enough to fill the disk's queue, few enough for libuv's four threads. */
const syncConcurrency = 8;

export interface TreeWriter {
  /** Write one checked entry; links wait for `seal`, so that nothing is ever written through one. */
  write(entry: ArchiveEntry, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** Make the links, bring everything to the disk and take the right to write away. */
  seal(): Promise<void>;
  /** Files and links so far. */
  files(): number;
}

/** Writes the entries of an archive below `root`, which exists, is empty and belongs to us alone. */
export function createTreeWriter(root: string): TreeWriter {
  const directories = new Set<string>(["."]);
  const files: string[] = [];
  const links: { readonly path: string; readonly target: string }[] = [];
  let writtenBytes = 0;

  async function makeDirectory(path: string): Promise<void> {
    if (directories.has(path)) return;
    await makeDirectory(dirname(path));
    await mkdir(join(root, path), { mode: 0o700 });
    directories.add(path);
  }

  async function writeFile(
    entry: ArchiveEntry & { readonly type: "file" },
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
    const file = await open(join(root, entry.path), flags, 0o600);
    try {
      await file.writeFile(content);
      await file.chmod(entry.isExecutable ? 0o555 : 0o444); // not by `open`, whose mode the umask cuts
    } finally {
      await file.close();
    }
    files.push(entry.path);
    writtenBytes += entry.sizeBytes;
  }

  return {
    write: async (entry, content) => {
      try {
        if (entry.type === "directory") return await makeDirectory(entry.path);
        await makeDirectory(dirname(entry.path));
        if (entry.type === "file") await writeFile(entry, content);
        else links.push({ path: entry.path, target: entry.target });
      } catch (error) {
        const neededBytes = writtenBytes + (entry.type === "file" ? entry.sizeBytes : 0);
        throw isDiskFull(error) ? diskFull(dirname(root), "the unpacked bundle", neededBytes, error) : error;
      }
    },
    seal: async () => {
      try {
        for (const { path, target } of links) await symlink(target, join(root, path));
        await forEachConcurrently(files, (path) => syncPath(join(root, path)));
        // Deepest first: a directory is closed after all that is in it. The root stays writable until it was renamed.
        for (const path of [...directories].toReversed()) {
          await syncPath(join(root, path));
          if (path !== ".") await chmod(join(root, path), 0o555);
        }
      } catch (error) {
        throw isDiskFull(error) ? diskFull(dirname(root), "the unpacked bundle", writtenBytes, error) : error;
      }
    },
    files: () => files.length + links.length,
  };
}

/** fsync a file or directory by its path. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function forEachConcurrently<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: syncConcurrency }, worker));
}
