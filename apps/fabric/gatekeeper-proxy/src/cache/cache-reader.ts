import type { TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { apiKey, type ApiName } from "../configuration/api-key.ts";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { createCacheKeeper } from "./cache-keeper.ts";
import type { DiskCache } from "./disk-cache.ts";

interface CacheReader {
  /** These APIs are bound and no others: what the disk has of new ones is read. */
  read(apis: readonly ApiName[]): void;
  /** Resolves when everything that was asked for so far is read. */
  whenRead(): Promise<unknown>;
}

/** Reads the cache of each API once, when an app is bound to it. */
export function createCacheReader(options: {
  readonly cache: Pick<DiskCache, "read">;
  readonly trust: () => TrustBundle | undefined;
  readonly gatekeeper: () => Pick<Gatekeeper, "cacheRead">;
  readonly keeper: Pick<ReturnType<typeof createCacheKeeper>, "changed">;
  readonly logger: Logger;
}): CacheReader {
  const reading = new Map<string, Promise<void>>();

  async function readOne(key: string, api: ApiName): Promise<void> {
    const gatekeeper = options.gatekeeper();
    const bundle = options.trust();
    if (bundle === undefined) return gatekeeper.cacheRead(key, "none");
    const cached = await options.cache.read(api, bundle);
    if (cached.found === "corrupt")
      options.logger.error({ api: api.name, version: api.version }, "the cached policies of an API are corrupt");
    gatekeeper.cacheRead(key, cached.found === "set" ? cached : cached.found);
  }

  return {
    read: (apis) => {
      const bound = new Map(apis.map((api) => [apiKey(api), api]));
      const left = [...reading.keys()].filter((key) => !bound.has(key));
      for (const key of left) reading.delete(key);
      options.keeper.changed(left);
      for (const [key, api] of bound) if (!reading.has(key)) reading.set(key, readOne(key, api));
    },
    whenRead: () => Promise.all(reading.values()),
  };
}
