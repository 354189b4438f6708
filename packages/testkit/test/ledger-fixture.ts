import { setTimeout as pause } from "node:timers/promises";
import { systemClock, type Component } from "@drawbridge/lifecycle";
import { createOutboxRelay, enqueueEvent, openStore, type PublishOutboxEvent, type Store } from "@drawbridge/store";
import { createTestLogger } from "@drawbridge/testkit";
import type { LedgerDatabase } from "./ledger-database.ts";

export function openLedger(url: string, logger = createTestLogger().logger): Store<LedgerDatabase> {
  return openStore<LedgerDatabase>({ url, schema: "ledger", logger });
}

/** Write an entry and announce it in one transaction. The digest of the event is the entry's name. */
export async function writeEntry(store: Store<LedgerDatabase>, entry: string, scope = "fabric-1"): Promise<string> {
  return store.transaction(async (tx) => {
    await tx.insertInto("ledger").values({ entry, amount: 1n }).execute();
    return enqueueEvent(tx, {
      type: "config.bundle.stored.v1",
      scope,
      occurredAt: systemClock.now(),
      payload: { digest: entry, sizeBytes: 1n, appName: "", version: "" },
    });
  });
}

export function relayOf(store: Store<LedgerDatabase>, publish: PublishOutboxEvent, logger = createTestLogger().logger) {
  return createOutboxRelay({ store, publish, clock: systemClock, logger, pollMs: 50 });
}

export async function startAll(...components: readonly Component[]): Promise<AsyncDisposable> {
  for (const component of components) await component.start(new AbortController().signal);
  return {
    [Symbol.asyncDispose]: async () => {
      for (const component of components.toReversed()) await component.stop(AbortSignal.timeout(10_000));
    },
  };
}

/** Wait for a fact of the real world; the test's own time limit ends it. */
export async function until(fact: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fact())) await pause(10);
}
