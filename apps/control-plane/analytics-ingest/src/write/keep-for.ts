import type { ColumnarStore } from "@drawbridge/columnar";

/** At least so long. */
const rollUpDays = 400;
const rollUps = [
  { table: "api_traffic_15m", column: "bucket" },
  { table: "latency_30m", column: "bucket" },
  { table: "application_traffic_1h", column: "bucket" },
  { table: "geography_traffic_1h", column: "bucket" },
  { table: "user_agent_traffic_1h", column: "bucket" },
  { table: "request_batches", column: "day" },
  { table: "request_gaps", column: "received_at" },
] as const;

/** How long roll-ups are kept where requests are for `days`: never shorter. */
export function daysOfRollUps(days: number): number {
  return Math.max(days, rollUpDays);
}

/** How long requests are kept (ANA 3), and their roll-ups. */
export async function keepFor(store: Pick<ColumnarStore, "setRetention">, days: number): Promise<void> {
  await store.setRetention({ table: "requests", column: "ts", days });
  for (const rollUp of rollUps) await store.setRetention({ ...rollUp, days: daysOfRollUps(days) });
}
