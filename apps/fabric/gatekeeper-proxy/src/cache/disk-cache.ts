import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { apiKey, type ApiName } from "../configuration/api-key.ts";
import type { ObjectStore } from "../configuration/object-store.ts";
import type { ResolveApi, SetFacts } from "../configuration/resolve-api.ts";
import { verifyRoot, type Root } from "../configuration/root.ts";
import type { ApiSet, SetProblem } from "../workers/protocol.ts";
import { cacheFiles, listCache, readNamed, syncFolder, writeWhole } from "./cache-files.ts";
import {
  confirmedAt,
  decodeIndex,
  encodeIndex,
  nextIndex,
  referenced,
  type CacheIndex,
  type CacheWish,
  type Generation,
} from "./cache-index.ts";

/** A set that was read back, signature and digests verified. */
export interface CachedSet {
  readonly set: ApiSet;
  readonly facts: SetFacts;
  readonly problems: readonly SetProblem[];
  /** When the platform last said that this is what it wants. */
  readonly confirmedAt: Date;
}

export type CachedApi =
  | { readonly found: "none" | "corrupt" }
  | { readonly found: "set"; readonly newest: CachedSet; readonly before: CachedSet | undefined };

interface DiskCacheDeps {
  readonly directory: string;
  readonly fabricId: string | undefined;
  readonly store: ObjectStore;
  readonly resolve: ResolveApi;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is to be written: the wish, and where its parts are. */
export interface CacheContent extends CacheWish {
  readonly rootJws: string;
  readonly find: (digest: string) => Uint8Array | undefined;
}

/*
 * The last two complete sets of each API on the disk.
 *
 * Invariants:
 *   - What is read back hangs on a root that api-manager signed for this fabric, digest by digest; anything else is as if it
 *     were not there, for the APIs that need it and for no other.
 *   - The index names only files that were synced before it. A crash at any instant leaves the earlier index or the new one.
 *   - No failure of the disk ends or holds up the gateway.
 */
export class DiskCache {
  readonly #deps: DiskCacheDeps;
  readonly #files: ReturnType<typeof cacheFiles>;
  readonly #onDisk = { roots: new Set<string>(), objects: new Set<string>() };
  readonly #roots = new Map<string, Promise<Root | undefined>>();
  #index: CacheIndex | undefined;
  #isIndexCorrupt = false;

  constructor(deps: DiskCacheDeps) {
    this.#deps = deps;
    this.#files = cacheFiles(deps.directory);
  }

  /** Look what is there. A folder that cannot be read is an empty cache. */
  async open(): Promise<void> {
    const { directory, logger } = this.#deps;
    await mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => undefined); // writing will say why not
    const { roots, objects, leftovers } = await listCache(directory);
    for (const name of roots) this.#onDisk.roots.add(name);
    for (const digest of objects) this.#onDisk.objects.add(digest);
    for (const path of leftovers) await rm(path, { force: true }).catch(() => undefined);
    const text = await readFile(this.#files.indexPath, "utf8").catch(() => undefined);
    if (text === undefined) return;
    this.#index = safely(() => decodeIndex(text));
    this.#isIndexCorrupt = this.#index === undefined;
    if (this.#isIndexCorrupt) logger.error({}, "the cache's index is corrupt: starting without a cache");
  }

  readonly loadObject = async (digest: string): Promise<Uint8Array | undefined> => {
    if (!this.#onDisk.objects.has(digest)) return undefined;
    const bytes = await readNamed(this.#files.objectPath(digest), digest);
    if (bytes === undefined) this.#onDisk.objects.delete(digest); // so that it is written again
    return bytes;
  };

  /** The newest of the roots that the cache was made of: no older one may come after it. */
  async newestRoot(trustBundle: TrustBundle): Promise<Root | undefined> {
    return this.#index === undefined ? undefined : this.#root(this.#index.newestRoot, trustBundle);
  }

  /** What is on the disk for an API. */
  async read(api: ApiName, trustBundle: TrustBundle): Promise<CachedApi> {
    if (this.#isIndexCorrupt) return { found: "corrupt" };
    const [newest, before] = this.#index?.apis[apiKey(api)]?.generations ?? [];
    if (newest === undefined) return { found: "none" };
    const set = await this.#readGeneration(api, newest, trustBundle);
    if (set === undefined) return { found: "corrupt" };
    return { found: "set", newest: set, before: before && (await this.#readGeneration(api, before, trustBundle)) };
  }

  /** Make the disk hold what is wanted now. @throws the system's error: the earlier content stays */
  async write(content: CacheContent): Promise<void> {
    const { clock, directory } = this.#deps;
    const index = nextIndex(this.#index, content, clock.now());
    const needed = referenced(index);
    const folders = new Set<string>();
    for (const { objects } of content.complete) {
      for (const digest of objects) {
        if (this.#onDisk.objects.has(digest)) continue;
        const bytes = content.find(digest);
        if (bytes === undefined) throw new Error("an object of a complete set is not in memory");
        const path = this.#files.objectPath(digest);
        await writeWhole(path, bytes);
        folders.add(dirname(path));
        this.#onDisk.objects.add(digest);
      }
    }
    if (!this.#onDisk.roots.has(content.root)) {
      const path = this.#files.rootPath(content.root);
      await writeWhole(path, content.rootJws);
      folders.add(dirname(path));
      this.#onDisk.roots.add(content.root);
    }
    for (const folder of folders) await syncFolder(folder);
    await writeWhole(this.#files.indexPath, encodeIndex(index));
    await syncFolder(directory);
    this.#index = index;
    this.#isIndexCorrupt = false;
    await this.#collectGarbage(needed);
  }

  async #collectGarbage(needed: ReturnType<typeof referenced>): Promise<void> {
    const { roots, objects } = this.#onDisk;
    for (const name of roots) {
      if (needed.roots.has(name)) continue;
      roots.delete(name);
      this.#roots.delete(name);
      await rm(this.#files.rootPath(name), { force: true }).catch(() => undefined); // listed again at the next start
    }
    for (const digest of objects) {
      if (needed.objects.has(digest)) continue;
      objects.delete(digest);
      await rm(this.#files.objectPath(digest), { force: true }).catch(() => undefined);
    }
  }

  async #readGeneration(
    api: ApiName,
    generation: Generation,
    trustBundle: TrustBundle,
  ): Promise<CachedSet | undefined> {
    const { store, resolve } = this.#deps;
    const index = this.#index;
    const root = await this.#root(generation.root, trustBundle);
    if (root === undefined || index === undefined) return undefined;
    for (;;) {
      const resolution = resolve(root, api);
      if (resolution.resolved === "complete") {
        const { set, facts, problems } = resolution;
        return set.setId === generation.setId
          ? { set, facts, problems, confirmedAt: confirmedAt(index, generation) }
          : undefined;
      }
      if (resolution.resolved !== "missing") return undefined;
      for (const digest of resolution.digests) {
        const bytes = await this.loadObject(digest);
        if (bytes === undefined || !store.add(digest, bytes)) return undefined;
      }
    }
  }

  async #root(name: string, trustBundle: TrustBundle): Promise<Root | undefined> {
    const known = this.#roots.get(name) ?? this.#readRoot(name, trustBundle);
    this.#roots.set(name, known);
    const root = await known;
    if (root === undefined) {
      this.#roots.delete(name);
      this.#onDisk.roots.delete(name); // so that it is written again
    }
    return root;
  }

  async #readRoot(name: string, trustBundle: TrustBundle): Promise<Root | undefined> {
    const { fabricId, logger } = this.#deps;
    const jws = await readNamed(this.#files.rootPath(name), name);
    if (jws === undefined) return undefined;
    try {
      return await verifyRoot(jws.toString("utf8"), { trustBundle, fabricId });
    } catch (error) {
      logger.error({ err: error }, "a root in the cache is refused");
      return undefined;
    }
  }
}

/** Name of a root's file. */
export function rootFileName(jws: string): string {
  return createHash("sha256").update(jws).digest("hex");
}

function safely<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
