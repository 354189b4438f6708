import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import { sql, type Store } from "@drawbridge/store";
import type { Metrics } from "@drawbridge/telemetry";
import type { CertAuthorityDb } from "./schema.ts";

const intervalMs = 15_000;

/** Looks for the oldest event that is not published yet, and shows how long it has been waiting. */
export function createOutboxAge(options: {
  readonly store: Pick<Store<CertAuthorityDb>, "db">;
  readonly metrics: Pick<Metrics, "gauge">;
  readonly clock: Clock;
}): Component {
  const { store, metrics, clock } = options;
  let oldest: Date | undefined;
  metrics.gauge(
    "outbox_age_seconds",
    { description: "how long the oldest unpublished event waits; looked up every 15 s, counted on while it cannot be" },
    () => (oldest === undefined ? 0 : Math.max(0, clock.now().getTime() - oldest.getTime()) / 1000),
  );
  return createLoop({
    name: "outbox age",
    clock,
    intervalMs,
    pass: async () => {
      const { rows } = await sql<{ occurred_at: Date }>`
        SELECT occurred_at FROM outbox ORDER BY position LIMIT 1
      `.execute(store.db);
      oldest = rows[0]?.occurred_at;
    },
    onError: () => undefined, // the store logs outages; the age counts on
  });
}
