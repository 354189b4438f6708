import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder, writeWhole } from "@drawbridge/durable-files";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { apiKey, indexHashOf, type ApiName } from "../configuration/api-key.ts";
import type { ObjectStore } from "../configuration/object-store.ts";
import type { ResolveApi, SetFacts } from "../configuration/resolve-api.ts";
import { verifyRoot, type Root } from "../configuration/root.ts";
import type { ApiSet, SetProblem } from "../workers/protocol.ts";
import { cacheFiles, listCache, readNamed, type CacheListing } from "./cache-files.ts";
import {
  confirmedAt,
  decodeHead,
  decodeShard,
  encodeHead,
  nextEntry,
  sha256,
  type CachedEntry,
  type CacheHead,
  type CacheWish,
  type Generation,
} from "./cache-index.ts";
import { References } from "./references.ts";

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

/** What is to be written: the newest root, the wishes that have changed, and where their parts are. */
export interface CacheContent {
  /** Name of the root's file. */
  readonly root: string;
  readonly rootJws: string;
  /** False: the connection is away; the instant of the last confirmation stays. */
  readonly isConfirmed: boolean;
  /** Keys of all APIs whose wish may be another than at the last `write`. */
  readonly changed: ReadonlySet<string>;
  readonly wish: (key: string) => CacheWish;
  readonly find: (digest: string) => Uint8Array | undefined;
}

/** As many as there are index pages in a large fabric: an edit changes one of each. */
const shardCount = 256;
const filesAtOnce = 4;

/*
 * The last two complete sets of each API on the disk.
 *
 * Invariants:
 *   - What is read back hangs on a root that api-manager signed for this fabric, digest by digest; anything else is as if it
 *     were not there, for the APIs that need it and for no other.
 *   - The index names only files that were synced before it. A crash at any instant leaves the earlier index or the new one.
 *   - A write costs what has changed since the last one; the first of a process looks at everything.
 *   - No failure of the disk ends or holds up the gateway.
 */
export class DiskCache {
  readonly #deps: DiskCacheDeps;
  readonly #files: ReturnType<typeof cacheFiles>;
  #onDisk: Omit<CacheListing, "leftovers"> = { shards: new Set(), roots: new Set(), objects: new Set() };
  /** Named by the index and not what their names say, since they were last read. */
  readonly #lost = new Set<string>();
  readonly #roots = new Map<string, Promise<Root | undefined>>();
  #head: CacheHead | undefined;
  readonly #apis = new Map<string, CachedEntry>();
  readonly #keysOf = new Map<string, Set<string>>();
  readonly #unbound = new Set<string>();
  /** Shards that could not be read. */
  #corrupt: "all" | Set<string> = new Set();
  readonly #needed = { roots: new References(), objects: new References() };
  #hasWritten = false;

  constructor(deps: DiskCacheDeps) {
    this.#deps = deps;
    this.#files = cacheFiles(deps.directory);
  }

  /** Look what is there. A folder that cannot be read is an empty cache. */
  async open(): Promise<void> {
    const { directory, logger } = this.#deps;
    await mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => undefined); // writing will say why not
    const { leftovers, ...onDisk } = await listCache(directory);
    this.#onDisk = onDisk;
    for (const path of leftovers) await rm(path, { force: true }).catch(() => undefined);
    const text = await readFile(this.#files.indexPath, "utf8").catch(() => undefined);
    if (text === undefined) return;
    const head = decodeHead(text);
    if (head === undefined) {
      this.#corrupt = "all";
      logger.error({}, "the cache's index is corrupt: starting without a cache");
      return;
    }
    this.#head = head;
    this.#needed.roots.add(head.newestRoot);
    for (const [number, name] of Object.entries(head.shards)) await this.#openShard(number, name);
  }

  readonly loadObject = async (digest: string): Promise<Uint8Array | undefined> => {
    if (!this.#onDisk.objects.has(digest)) return undefined;
    const bytes = await readNamed(this.#files.objectPath(digest), digest);
    if (bytes === undefined) this.#lose(digest);
    return bytes;
  };

  /** The newest of the roots that the cache was made of: no older one may come after it. */
  async newestRoot(trustBundle: TrustBundle): Promise<Root | undefined> {
    return this.#head === undefined ? undefined : this.#root(this.#head.newestRoot, trustBundle);
  }

  /** What is on the disk for an API. */
  async read(api: ApiName, trustBundle: TrustBundle): Promise<CachedApi> {
    const key = apiKey(api);
    if (this.#corrupt === "all" || this.#corrupt.has(shardOf(key))) return { found: "corrupt" };
    const [newest, before] = this.#apis.get(key)?.generations ?? [];
    const head = this.#head;
    if (head === undefined || newest === undefined) return { found: "none" };
    const set = await this.#readGeneration(api, { generation: newest, head }, trustBundle);
    if (set === undefined) return { found: "corrupt" };
    return {
      found: "set",
      newest: set,
      before: before && (await this.#readGeneration(api, { generation: before, head }, trustBundle)),
    };
  }

  /** Make the disk hold what is wanted now. @throws the system's error: the earlier content stays */
  async write(content: CacheContent): Promise<void> {
    const { clock, directory } = this.#deps;
    const now = clock.now();
    const entries = this.#nextEntries(content, now);
    const objects = this.#missingObjects(content); // all in this turn: they are not in memory for ever
    const folders = new Set<string>();
    const writeFile = async (path: string, bytes: Uint8Array | string): Promise<void> => {
      await writeWhole(path, bytes);
      folders.add(dirname(path));
    };
    await inParallel(objects, async ([digest, bytes]) => {
      await writeFile(this.#files.objectPath(digest), bytes);
      this.#onDisk.objects.add(digest);
      this.#lost.delete(digest);
    });
    if (!this.#onDisk.roots.has(content.root)) {
      await writeFile(this.#files.rootPath(content.root), content.rootJws);
      this.#onDisk.roots.add(content.root);
    }
    const shards: Record<string, string> = { ...this.#head?.shards };
    for (const [number, keys] of this.#shardsToWrite(entries)) {
      const json = this.#encodeShard(number, { keys, entries });
      if (json === undefined) {
        delete shards[number];
        continue;
      }
      const name = sha256(json);
      shards[number] = name;
      if (this.#onDisk.shards.has(name)) continue;
      await writeFile(this.#files.shardPath(name), json);
      this.#onDisk.shards.add(name);
    }
    for (const folder of folders) await syncFolder(folder);
    const confirmed = content.isConfirmed ? now.toISOString() : (this.#head?.confirmedAt ?? now.toISOString());
    const head: CacheHead = { version: 2, confirmedAt: confirmed, newestRoot: content.root, shards };
    await writeWhole(this.#files.indexPath, encodeHead(head));
    await syncFolder(directory);
    const unneeded = this.#take(head, entries);
    for (const path of unneeded) await rm(path, { force: true }).catch(() => undefined); // listed again at the next start
  }

  /** Of all APIs whose wish may be another, and of those that are kept for a while. */
  #nextEntries(content: CacheContent, now: Date): Map<string, CachedEntry | undefined> {
    const keys = new Set([...content.changed, ...(this.#hasWritten ? this.#unbound : this.#apis.keys())]);
    const roots = { before: this.#head?.newestRoot, next: content.root };
    const entries = new Map<string, CachedEntry | undefined>();
    for (const key of keys) entries.set(key, nextEntry(this.#apis.get(key), content.wish(key), { now, roots }));
    return entries;
  }

  #missingObjects({ changed, wish, find }: CacheContent): Map<string, Uint8Array> {
    const missing = new Map<string, Uint8Array>();
    for (const digest of this.#lost) {
      const bytes = this.#needed.objects.has(digest) ? find(digest) : undefined;
      if (bytes !== undefined) missing.set(digest, bytes);
    }
    for (const key of changed) {
      const wanted = wish(key);
      for (const digest of wanted.wanted === "set" ? wanted.objects : []) {
        if (this.#onDisk.objects.has(digest)) continue;
        const bytes = find(digest);
        if (bytes === undefined) throw new Error("an object of a complete set is not in memory");
        missing.set(digest, bytes);
      }
    }
    return missing;
  }

  /** Numbers of the shards that are to be written, with their keys that may be new. */
  #shardsToWrite(entries: ReadonlyMap<string, CachedEntry | undefined>): Map<string, string[]> {
    const shards = new Map<string, string[]>();
    for (const number of this.#corrupt === "all" ? [] : this.#corrupt) shards.set(number, []);
    for (const key of entries.keys()) {
      const number = shardOf(key);
      const keys = shards.get(number);
      if (keys === undefined) shards.set(number, [key]);
      else keys.push(key);
    }
    return shards;
  }

  /** `undefined`: it holds nothing. */
  #encodeShard(
    number: string,
    changed: { readonly keys: readonly string[]; readonly entries: ReadonlyMap<string, CachedEntry | undefined> },
  ): string | undefined {
    const { keys, entries } = changed;
    const shard: Record<string, CachedEntry> = {};
    for (const key of new Set([...(this.#keysOf.get(number) ?? []), ...keys])) {
      const entry = entries.has(key) ? entries.get(key) : this.#apis.get(key);
      if (entry !== undefined) shard[key] = entry;
    }
    return Object.keys(shard).length === 0 ? undefined : JSON.stringify(shard);
  }

  /** The index is on the disk: it counts from now on. What nobody needs any more is to be removed. */
  #take(head: CacheHead, entries: ReadonlyMap<string, CachedEntry | undefined>): string[] {
    const { roots, objects } = this.#needed;
    const shardsBefore = this.#head?.shards ?? {};
    roots.add(head.newestRoot);
    if (this.#head !== undefined) roots.remove(this.#head.newestRoot);
    this.#head = head;
    this.#corrupt = new Set();
    for (const [key, entry] of entries) this.#set(key, entry);
    const isFirst = !this.#hasWritten;
    this.#hasWritten = true;
    const named = new Set(Object.values(head.shards));
    const unneeded = {
      shards: [...(isFirst ? this.#onDisk.shards : Object.values(shardsBefore))].filter((name) => !named.has(name)),
      roots: isFirst ? [...this.#onDisk.roots].filter((name) => !roots.has(name)) : roots.takeUnneeded(),
      objects: isFirst ? [...this.#onDisk.objects].filter((name) => !objects.has(name)) : objects.takeUnneeded(),
    };
    for (const name of unneeded.shards) this.#onDisk.shards.delete(name);
    for (const name of unneeded.objects) this.#onDisk.objects.delete(name);
    for (const name of unneeded.roots) {
      this.#onDisk.roots.delete(name);
      this.#roots.delete(name);
    }
    return [
      ...unneeded.shards.map(this.#files.shardPath),
      ...unneeded.roots.map(this.#files.rootPath),
      ...unneeded.objects.map(this.#files.objectPath),
    ];
  }

  async #openShard(number: string, name: string): Promise<void> {
    const bytes = await readNamed(this.#files.shardPath(name), name);
    const shard = bytes === undefined ? undefined : decodeShard(bytes);
    if (shard !== undefined) {
      for (const [key, entry] of Object.entries(shard)) this.#set(key, entry);
      return;
    }
    this.#deps.logger.error({ shard: number }, "a part of the cache's index is corrupt");
    if (this.#corrupt !== "all") this.#corrupt.add(number);
    this.#onDisk.shards.delete(name); // so that it is written again
  }

  #set(key: string, entry: CachedEntry | undefined): void {
    const { roots, objects } = this.#needed;
    for (const { root, objects: own } of entry?.generations ?? []) {
      if (root !== undefined) roots.add(root);
      for (const digest of own) objects.add(digest);
    }
    for (const { root, objects: own } of this.#apis.get(key)?.generations ?? []) {
      if (root !== undefined) roots.remove(root);
      for (const digest of own) objects.remove(digest);
    }
    const number = shardOf(key);
    const keys = this.#keysOf.get(number) ?? new Set();
    if (entry === undefined) {
      this.#apis.delete(key);
      keys.delete(key);
    } else {
      this.#apis.set(key, entry);
      this.#keysOf.set(number, keys.add(key));
    }
    if (entry?.unboundSince === undefined) this.#unbound.delete(key);
    else this.#unbound.add(key);
  }

  #lose(digest: string): void {
    this.#onDisk.objects.delete(digest); // so that it is written again
    this.#lost.add(digest);
  }

  async #readGeneration(
    api: ApiName,
    { generation, head }: { readonly generation: Generation; readonly head: CacheHead },
    trustBundle: TrustBundle,
  ): Promise<CachedSet | undefined> {
    const { store, resolve } = this.#deps;
    const root = await this.#root(generation.root ?? head.newestRoot, trustBundle);
    if (root === undefined) return undefined;
    for (;;) {
      const resolution = resolve(root, api);
      if (resolution.resolved === "complete") {
        const { set, facts, problems } = resolution;
        return set.setId === generation.setId
          ? { set, facts, problems, confirmedAt: confirmedAt(head, generation) }
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

/** Ten thousand APIs are written at once at the first start, and a disk takes its time for each file. */
async function inParallel<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: filesAtOnce }, worker));
}

/** Name of a root's file. */
export function rootFileName(jws: string): string {
  return createHash("sha256").update(jws).digest("hex");
}

function shardOf(key: string): string {
  return String(indexHashOf(key) % shardCount);
}
