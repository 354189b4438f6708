import type { Bus } from "./bus.ts";
import type { KeyValueEntry } from "./key-value.ts";
import { standardBuckets } from "./service-access.ts";

/**
 * What the bus knows of revocations: hints that there are new ones, and the mirror of the list, which outlives a restore
 * of cert-authority's database. Both throw `BUS_UNAVAILABLE` while there is no connection.
 */
export function createRevocationNews(bus: Pick<Bus, "kv" | "subscribe">) {
  return {
    subscribe: (onHint: () => void) => bus.subscribe("ctl.revoked", () => onHint()),
    readMirror: async (): Promise<readonly KeyValueEntry[]> =>
      (await (await bus.kv("revoked", standardBuckets.revoked)).scan(0)).entries,
  };
}
