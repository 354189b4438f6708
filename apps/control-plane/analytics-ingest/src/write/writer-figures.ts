import type { Clock } from "@drawbridge/lifecycle";
import type { Metrics } from "@drawbridge/telemetry";
import type { BlockThreadState } from "./block-thread-protocol.ts";

/** What came of the batches, counted. */
export interface WriterFigures {
  /** How old the newest request of the last block was when it could be seen; undefined before the first. */
  readonly lagMs: number | undefined;
  stored(block: { readonly rows: number; readonly batches: number; readonly newestMs: number }): void;
  duplicate(): void;
  deadLetter(): void;
  observe(state: () => BlockThreadState): void;
}

export function createWriterFigures(deps: { readonly clock: Clock; readonly metrics: Metrics }): WriterFigures {
  const { clock, metrics } = deps;
  const rows = metrics.counter("stored_requests", { description: "rows that are in the store" });
  const batches = metrics.counter("stored_batches", { description: "batches by what became of them" });
  const lag = metrics.histogram("visible_lag_seconds", {
    description: "age of a block's newest request when it could be seen",
    unit: "s",
  });
  let lagMs: number | undefined;
  return {
    get lagMs() {
      return lagMs;
    },
    stored(block) {
      if (block.rows > 0) {
        lagMs = Math.max(clock.now().getTime() - block.newestMs, 0);
        lag.record(lagMs / 1000);
        rows.add(block.rows);
      }
      batches.add(block.batches, { outcome: "stored" });
    },
    duplicate: () => batches.add(1, { outcome: "duplicate" }),
    deadLetter: () => batches.add(1, { outcome: "dead_letter" }),
    observe(state) {
      metrics.gauge(
        "clamped_request_times",
        { description: "requests whose gateway's clock cannot be right, since the start" },
        () => state().clampedTimes,
      );
      metrics.gauge(
        "skipped_user_agents",
        { description: "requests' User-Agents not looked at, because too many new ones came at once, since the start" },
        () => state().skippedUserAgents,
      );
    },
  };
}
