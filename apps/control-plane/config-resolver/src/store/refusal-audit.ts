import { enqueueEvent, type Store } from "@drawbridge/store";
import { artefactRefused, type Refusal } from "../events/artefact-refused.ts";
import type { ConfigResolverDatabase } from "./database.ts";

export interface RefusalAudit {
  /**
   * Count a refusal and announce it. Of one identity at most 50 different ones a minute are announced, each once, so that a fabric
   * cannot fill the bus with its refusals; all are counted.
   */
  record(refusal: Refusal): Promise<void>;
}

const windowMs = 60_000;
const maxAnnounced = 50;
const maxIdentities = 10_000;

interface Window {
  readonly startedMs: number;
  readonly digests: Set<string>;
}

export function createRefusalAudit(
  store: Pick<Store<ConfigResolverDatabase>, "transaction">,
  countRefusal: () => void,
): RefusalAudit {
  const windows = new Map<string, Window>();

  function windowOf(spiffeId: string, nowMs: number): Window {
    const current = windows.get(spiffeId);
    if (current !== undefined && nowMs - current.startedMs < windowMs) return current;
    windows.delete(spiffeId);
    const oldest = windows.keys().next();
    if (windows.size >= maxIdentities && !oldest.done) windows.delete(oldest.value);
    const fresh = { startedMs: nowMs, digests: new Set<string>() };
    windows.set(spiffeId, fresh);
    return fresh;
  }

  return {
    record: async (refusal) => {
      countRefusal();
      const { digests } = windowOf(refusal.spiffeId, refusal.occurredAt.getTime());
      if (digests.has(refusal.digest) || digests.size >= maxAnnounced) return;
      await store.transaction((tx) => enqueueEvent(tx, artefactRefused(refusal)));
      digests.add(refusal.digest);
    },
  };
}
