import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { sql } from "kysely";
import type { Store } from "../open-store.ts";
import type { InTransaction } from "../outbox/enqueue-event.ts";
import type { StoreLogger } from "../store-logger.ts";

/**
 * Remember, in the transaction of the effect, that `consumer` handled the event. "duplicate": it was handled before, do
 * nothing. A second transaction with the same event waits for the first and then knows.
 */
export async function consumeOnce(
  tx: InTransaction,
  event: { readonly consumer: string; readonly eventId: string },
): Promise<"first" | "duplicate"> {
  const result = await sql`
    INSERT INTO inbox (consumer, event_id) VALUES (${event.consumer}, ${event.eventId}) ON CONFLICT DO NOTHING
  `.execute(tx);
  return result.numAffectedRows === 1n ? "first" : "duplicate";
}

/** Twice as long as a stream keeps an event (7 days): none can come again after that. */
const keepDays = 14;
const intervalMs = 3_600_000;

/** Deletes old inbox rows, hourly. */
export function createInboxCleaner<DB>(options: {
  readonly store: Pick<Store<DB>, "db">;
  readonly clock: Clock;
  readonly logger: StoreLogger;
}): Component {
  return createLoop({
    name: "inbox cleaner",
    clock: options.clock,
    intervalMs,
    pass: async () => {
      const before = new Date(options.clock.now().getTime() - keepDays * 86_400_000);
      await sql`DELETE FROM inbox WHERE handled_at < ${before}`.execute(options.store.db);
    },
    onError: (error) => options.logger.warn({ err: error }, "old inbox rows were not deleted, will retry"),
  });
}
