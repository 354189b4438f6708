import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { sql } from "kysely";
import type { Store } from "../open-store.ts";

/** What of `@drawbridge/telemetry`'s Metrics is needed. */
export interface OutboxGauges {
  gauge(name: string, options: { readonly description: string; readonly unit?: string }, read: () => number): void;
}

const intervalMs = 10_000;

/**
 * Gauge `outbox_oldest_age_seconds`: how long the event that waits longest has been waiting, 0 with none. Looked up every 10 s
 * by its place in the table, whatever its length; while the database is away the age of what was last seen goes on growing.
 */
export function createOutboxMetrics<DB>(options: {
  readonly store: Pick<Store<DB>, "db">;
  readonly metrics: OutboxGauges;
  readonly clock: Clock;
}): Component {
  const { store, metrics, clock } = options;
  let oldestAt: Date | undefined;
  metrics.gauge(
    "outbox_oldest_age_seconds",
    { description: "how long the oldest event in the outbox has been waiting", unit: "s" },
    () => (oldestAt === undefined ? 0 : Math.max(0, (clock.now().getTime() - oldestAt.getTime()) / 1000)),
  );
  return createLoop({
    name: "outbox metrics",
    clock,
    intervalMs,
    pass: async () => {
      const { rows } = await sql<{ occurred_at: Date }>`
        SELECT occurred_at FROM outbox ORDER BY position LIMIT 1`.execute(store.db);
      oldestAt = rows[0]?.occurred_at;
    },
    onError: () => undefined, // the store has reported it
  });
}
