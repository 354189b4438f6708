import type { OutboundFetch, PolicyClock } from "../../policy-services.ts";
import { createRemoteKeys, type KeySource } from "./key-source.ts";

/**
 * Key sets by address and whom is trusted to be it, one of each in a thread: policies that name the same issuer share its keys
 * and the limit on refreshing them, and a policy that is compiled again finds them there.
 */
export interface KeySets {
  open(options: { readonly url: string; readonly ttlMs: number; readonly trustedRoots?: string }): KeySource;
}

/** Beyond this the oldest is forgotten; policies that hold it keep using it. */
const mostKeySets = 1000;

export function createKeySets({ fetch, clock }: { fetch: OutboundFetch; clock: PolicyClock }): KeySets {
  const open = new Map<string, KeySource>();
  return {
    open(options) {
      const name = JSON.stringify([options.ttlMs, options.url, options.trustedRoots]);
      const known = open.get(name);
      if (known) return known;
      const created = createRemoteKeys({ ...options, fetch, clock });
      open.set(name, created);
      const [oldest] = open.keys();
      if (open.size > mostKeySets && oldest !== undefined) open.delete(oldest);
      return created;
    },
  };
}
