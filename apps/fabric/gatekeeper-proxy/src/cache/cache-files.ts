import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Folder of a cache: `index`, `roots/<sha256 of the JWS>`, `objects/<first two digits>/<sha256>`. */
export interface CacheFiles {
  readonly indexPath: string;
  readonly rootPath: (name: string) => string;
  readonly objectPath: (digest: string) => string;
}

export function cacheFiles(directory: string): CacheFiles {
  return {
    indexPath: join(directory, "index"),
    rootPath: (name) => join(directory, "roots", name),
    objectPath: (digest) => join(directory, "objects", digest.slice(0, 2), digest),
  };
}

/** Names of everything that is there, and of what an interrupted write left. */
export async function listCache(
  directory: string,
): Promise<{ readonly roots: string[]; readonly objects: string[]; readonly leftovers: string[] }> {
  const roots: string[] = [];
  const objects: string[] = [];
  const leftovers: string[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    if (entry.name.endsWith(".tmp")) leftovers.push(join(entry.parentPath, entry.name));
    else if (entry.parentPath === join(directory, "roots")) roots.push(entry.name);
    else if (dirname(entry.parentPath) === join(directory, "objects")) objects.push(entry.name);
  }
  return { roots, objects, leftovers };
}

/** The bytes, if they are what the name says. */
export async function readNamed(path: string, sha256: string): Promise<Buffer | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === sha256 ? bytes : undefined;
}

/** A reader sees nothing, the old file or the new one; after a power cut, too, once `syncFolder` is over. */
export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, "w", 0o600).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      return open(temporary, "w", 0o600);
    });
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
