import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { apiKey, indexHashOf, type ApiName } from "./api-key.ts";
import { fetchObjects, type GetObjects } from "./fetch-objects.ts";
import type { ObjectStore } from "./object-store.ts";
import { createApiResolver, type Resolution, type ResolveApi } from "./resolve-api.ts";
import type { Root } from "./root.ts";

/** What the platform wants of one API, as far as it is known. */
export interface ApiWish {
  readonly api: ApiName;
  readonly resolution: Resolution | { readonly resolved: "no_root" };
  /** Monotonic: since when it is not complete. */
  readonly sinceMs: number;
}

interface ConfigurationTreeDeps {
  readonly store: ObjectStore;
  /** Bytes on the disk, checked against the digest. */
  readonly loadObject: (digest: string) => Promise<Uint8Array | undefined>;
  readonly getObjects: GetObjects;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** These APIs are not what they were; the root may be another, too. */
  readonly onChange: (keys: readonly string[]) => void;
}

/*
 * Keeps, for every API that an app is bound to, what the platform's current root says about it, and fetches what is missing
 * for that.
 *
 * Invariants:
 *   - An API is complete or it is not: nobody sees a part of a set.
 *   - An object that cannot be had keeps open only the APIs that need it.
 *   - What is on the disk is not fetched again; what an API does not need is not fetched at all.
 */
export class ConfigurationTree {
  readonly #deps: ConfigurationTreeDeps;
  readonly #resolve: ResolveApi;
  readonly #wishes = new Map<string, ApiWish>();
  readonly #hashes = new Map<string, number>();
  #root: Root | undefined;
  #wake = new AbortController();
  #stopped = false;

  constructor(deps: ConfigurationTreeDeps) {
    this.#deps = deps;
    this.#resolve = createApiResolver(deps.store.find);
  }

  get root(): Root | undefined {
    return this.#root;
  }

  wish(key: string): ApiWish | undefined {
    return this.#wishes.get(key);
  }

  get wishes(): Iterable<ApiWish> {
    return this.#wishes.values();
  }

  /** The APIs that apps are bound to now. */
  bind(apis: readonly ApiName[]): void {
    const wanted = new Map(apis.map((api) => [apiKey(api), api]));
    for (const key of this.#wishes.keys()) {
      if (wanted.has(key)) continue;
      this.#wishes.delete(key);
      this.#hashes.delete(key);
    }
    const added = [...wanted].filter(([key]) => !this.#wishes.has(key));
    if (added.length === 0) return;
    const sinceMs = this.#deps.clock.monotonicMs();
    for (const [key, api] of added) this.#wishes.set(key, { api, resolution: { resolved: "no_root" }, sinceMs });
    this.#review(added.map(([key]) => key));
    this.retry();
  }

  /** Verified, and newer than what was here. */
  follow(root: Root): void {
    const before = this.#root;
    this.#root = root;
    const isOnSamePage = (key: string): boolean => {
      const page = this.#pageOf(root, key);
      return before !== undefined && page !== undefined && page === this.#pageOf(before, key);
    };
    this.#review([...this.#wishes.keys()].filter((key) => !isOnSamePage(key)));
    this.retry();
  }

  /** Fetch what is missing now: there is a connection again, or something new to fetch. */
  retry(): void {
    this.#wake.abort();
  }

  /** Fetches what is missing until stopped. */
  async run(): Promise<void> {
    const { clock, random } = this.#deps;
    let failures = 0;
    while (!this.#stopped) {
      this.#wake = new AbortController();
      const { signal } = this.#wake;
      const missing = this.#missing();
      const isDone = missing.size === 0 || (await this.#obtain(missing));
      if (this.#stopped) return;
      if (isDone && this.#missing().size > 0) continue; // what came names the next objects
      failures = isDone || signal.aborted ? 0 : failures + 1;
      const delayMs = fullJitterDelayMs({ attempt: failures, baseMs: 200, capMs: 5_000, floorMs: 100, random });
      if (isDone) await waitFor(signal);
      else await clock.sleep(delayMs, signal).catch(() => undefined); // woken
    }
  }

  stop(): void {
    this.#stopped = true;
    this.retry();
  }

  /** Digests of all objects that the present wishes are made of, or wait for. */
  neededObjects(): Set<string> {
    const needed = new Set(this.#root?.indexPages);
    for (const { resolution } of this.#wishes.values()) {
      if (resolution.resolved === "complete") for (const digest of resolution.objects) needed.add(digest);
      if (resolution.resolved === "missing") for (const digest of resolution.digests) needed.add(digest);
    }
    return needed;
  }

  /** What is missing, and who waits for it. */
  #missing(): Map<string, string[]> {
    const waiting = new Map<string, string[]>();
    for (const [key, { resolution }] of this.#wishes) {
      if (resolution.resolved !== "missing") continue;
      for (const digest of resolution.digests) {
        const keys = waiting.get(digest);
        if (keys === undefined) waiting.set(digest, [key]);
        else keys.push(key);
      }
    }
    return waiting;
  }

  /** Get them from the disk or the platform. False: some cannot be had now. */
  async #obtain(missing: ReadonlyMap<string, readonly string[]>): Promise<boolean> {
    const { store, loadObject, getObjects, logger } = this.#deps;
    const waiters = (digests: Iterable<string>): string[] => [
      ...new Set([...digests].flatMap((digest) => missing.get(digest) ?? [])),
    ];
    const isHere = (digest: string): boolean => store.find(digest) !== undefined;
    await loadAll(
      [...missing.keys()].filter((digest) => !isHere(digest)), // a fetch for an earlier root may have brought some
      async (digest) => {
        const bytes = await loadObject(digest);
        if (bytes !== undefined) store.add(digest, bytes);
      },
    );
    const rest = [...missing.keys()].filter((digest) => !isHere(digest));
    if (rest.length === 0) {
      this.#review(waiters(missing.keys()));
      return true;
    }
    const { failed, unavailable } = await fetchObjects(rest, {
      getObjects,
      accept: (digest, bytes) => store.add(digest, bytes),
    });
    if (failed.length > 0) logger.warn({ count: failed.length }, "objects of the configuration cannot be had");
    if (unavailable !== undefined) logger.debug({ err: unavailable }, "the configuration cannot be fetched now");
    this.#review(waiters([...missing.keys()].filter(isHere)));
    return failed.length === 0 && unavailable === undefined;
  }

  #pageOf({ indexPages }: Root, key: string): string | undefined {
    const hash = this.#hashes.get(key) ?? indexHashOf(key);
    this.#hashes.set(key, hash);
    return indexPages.length === 0 ? undefined : indexPages[hash % indexPages.length];
  }

  #review(keys: readonly string[]): void {
    const root = this.#root;
    const changed: string[] = [];
    for (const key of keys) {
      const before = this.#wishes.get(key);
      if (before === undefined) continue;
      const resolution = root === undefined ? { resolved: "no_root" as const } : this.#resolve(root, before.api);
      const wasComplete = before.resolution.resolved === "complete" || before.resolution.resolved === "absent";
      const sinceMs = wasComplete ? this.#deps.clock.monotonicMs() : before.sinceMs;
      this.#wishes.set(key, { api: before.api, resolution, sinceMs });
      changed.push(key);
    }
    this.#deps.onChange(changed);
  }
}

/** Eight at a time. */
async function loadAll(digests: readonly string[], load: (digest: string) => Promise<void>): Promise<void> {
  const queue = [...digests];
  const work = async (): Promise<void> => {
    for (let digest = queue.pop(); digest !== undefined; digest = queue.pop()) await load(digest);
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

function waitFor(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
