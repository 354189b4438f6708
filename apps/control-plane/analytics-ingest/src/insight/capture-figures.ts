import { type Row, sql } from "@drawbridge/columnar";
import type { CaptureLossReason } from "@drawbridge/contracts/insight/v1/insight_batch";
import type { CaptureFigures } from "@drawbridge/contracts/insight/v1/insight_service";
import { questionLimits } from "../query/query-limits.ts";
import { numberOf, textOf, wholeOf } from "../query/rows.ts";
import { type ExchangeReader, keptSince } from "./list-exchanges.ts";

/** How much captures took and lost; those that did neither are left out. */
export async function captureFigures(
  { store, clock, retentionDays }: ExchangeReader,
  { environment, captureIds }: { readonly environment: string; readonly captureIds: readonly string[] },
  signal: AbortSignal,
): Promise<readonly CaptureFigures[]> {
  const parameters = { environment, captures: captureIds, since: keptSince(clock, retentionDays) };
  const [taken, lost] = await Promise.all([
    store.query(
      {
        sql: sql`SELECT capture_id, count() AS exchanges, sum(size) AS bytes, toUnixTimestamp64Milli(max(at)) AS last_ms FROM (SELECT capture_id, fabric_id, exchange_id, max(size_bytes) AS size, max(ts) AS at FROM insight_exchanges WHERE environment = {environment:String} AND capture_id IN {captures:Array(String)} AND received_at >= {since:DateTime64(3, 'UTC')} GROUP BY capture_id, fabric_id, exchange_id) GROUP BY capture_id`,
        parameters,
        limits: questionLimits,
      },
      signal,
    ),
    store.query(
      {
        sql: sql`SELECT capture_id, reason, sum(lost) AS exchanges FROM (SELECT capture_id, fabric_id, batch_id, reason, max(exchanges) AS lost FROM insight_losses WHERE has(splitByChar(',', environments), {environment:String}) AND capture_id IN {captures:Array(String)} AND received_at >= {since:DateTime64(3, 'UTC')} GROUP BY capture_id, fabric_id, batch_id, reason) GROUP BY capture_id, reason ORDER BY reason`,
        parameters,
        limits: questionLimits,
      },
      signal,
    ),
  ]);
  const figures = new Map<string, CaptureFigures>();
  const of = (captureId: string): CaptureFigures => {
    const known = figures.get(captureId);
    if (known) return known;
    const fresh: CaptureFigures = { captureId, exchanges: 0n, bytes: 0n, lastAt: undefined, losses: [] };
    figures.set(captureId, fresh);
    return fresh;
  };
  for (const row of taken) {
    const lastAt = new Date(numberOf(row, "last_ms"));
    Object.assign(of(textOf(row, "capture_id")), {
      exchanges: wholeOf(row, "exchanges"),
      bytes: wholeOf(row, "bytes"),
      lastAt,
    });
  }
  for (const row of lost) {
    const captureId = textOf(row, "capture_id");
    of(captureId).losses.push({ captureId, reason: reasonOf(row), exchanges: wholeOf(row, "exchanges") });
  }
  return [...figures.values()];
}

/** Only those of the contract are stored. */
function reasonOf(row: Row): CaptureLossReason {
  return numberOf(row, "reason") as CaptureLossReason;
}
