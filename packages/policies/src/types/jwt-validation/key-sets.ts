import type { OutboundFetch, PolicyClock } from "../../policy-services.ts";
import { createRemoteKeys, type KeySource } from "./key-source.ts";

/**
 * Key sets by address, one of each in a thread: policies that name the same issuer share its keys and the limit on
 * refreshing them, and a policy that is compiled again finds them there.
 */
export interface KeySets {
  open(options: { readonly url: string; readonly ttlMs: number }): KeySource;
}

/** Beyond this the oldest is forgotten; policies that hold it keep using it. */
const mostKeySets = 1000;

export function createKeySets({ fetch, clock }: { fetch: OutboundFetch; clock: PolicyClock }): KeySets {
  const open = new Map<string, KeySource>();
  return {
    open({ url, ttlMs }) {
      const name = `${ttlMs} ${url}`;
      const known = open.get(name);
      if (known) return known;
      const created = createRemoteKeys({ url, ttlMs, fetch, clock });
      open.set(name, created);
      const [oldest] = open.keys();
      if (open.size > mostKeySets && oldest !== undefined) open.delete(oldest);
      return created;
    },
  };
}
