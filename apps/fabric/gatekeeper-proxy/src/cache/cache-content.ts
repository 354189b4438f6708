import type { ConfigurationTree } from "../configuration/configuration-tree.ts";
import type { ObjectStore } from "../configuration/object-store.ts";
import type { LinkSession } from "../feed/link-session.ts";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { CacheWish } from "./cache-index.ts";
import { rootFileName, type CacheContent } from "./disk-cache.ts";

/** What should be in the cache now, of the APIs that changed; `undefined` before the first root. */
export function createCacheContent({
  tree,
  link,
  gatekeeper,
  store,
}: {
  readonly tree: Pick<ConfigurationTree, "root" | "wish">;
  readonly link: Pick<LinkSession, "state" | "isConfirmed">;
  readonly gatekeeper: Pick<Gatekeeper, "isUsable">;
  readonly store: Pick<ObjectStore, "find">;
}): (changed: ReadonlySet<string>) => CacheContent | undefined {
  function wish(key: string): CacheWish {
    const resolution = tree.wish(key)?.resolution;
    switch (resolution?.resolved) {
      case undefined:
        return { wanted: "unbound" };
      case "complete": {
        const { set, objects } = resolution;
        const isEarlierUsable = (setId: string): boolean => gatekeeper.isUsable(key, setId);
        return { wanted: "set", setId: set.setId, objects, isEarlierUsable };
      }
      case "absent":
        return { wanted: "absent" };
      case "no_root":
      case "no_entry":
      case "missing":
        return { wanted: "incomplete" };
    }
  }

  return (changed) => {
    const { root } = tree;
    if (root === undefined) return undefined;
    return {
      root: rootFileName(root.jws),
      rootJws: root.jws,
      isConfirmed: link.state.state === "up" && link.isConfirmed(root),
      changed,
      wish,
      find: store.find,
    };
  };
}
