import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Folder of a cache: `index`, and by their SHA-256 `shards/` of the index, `roots/` (JWS), `objects/<first two digits>/`. */
export interface CacheFiles {
  readonly indexPath: string;
  readonly shardPath: (name: string) => string;
  readonly rootPath: (name: string) => string;
  readonly objectPath: (digest: string) => string;
}

export function cacheFiles(directory: string): CacheFiles {
  return {
    indexPath: join(directory, "index"),
    shardPath: (name) => join(directory, "shards", name),
    rootPath: (name) => join(directory, "roots", name),
    objectPath: (digest) => join(directory, "objects", digest.slice(0, 2), digest),
  };
}

export interface CacheListing {
  readonly shards: Set<string>;
  readonly roots: Set<string>;
  readonly objects: Set<string>;
  /** Paths of what an interrupted write left. */
  readonly leftovers: readonly string[];
}

/** Names of everything that is there. */
export async function listCache(directory: string): Promise<CacheListing> {
  const leftovers: string[] = [];
  const listing = { shards: new Set<string>(), roots: new Set<string>(), objects: new Set<string>(), leftovers };
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    if (entry.name.endsWith(".tmp")) leftovers.push(join(entry.parentPath, entry.name));
    else if (entry.parentPath === join(directory, "shards")) listing.shards.add(entry.name);
    else if (entry.parentPath === join(directory, "roots")) listing.roots.add(entry.name);
    else if (dirname(entry.parentPath) === join(directory, "objects")) listing.objects.add(entry.name);
  }
  return listing;
}

/** The bytes, if they are what the name says. */
export async function readNamed(path: string, sha256: string): Promise<Buffer | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === sha256 ? bytes : undefined;
}
