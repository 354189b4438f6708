import { type ColumnarStore, sql } from "@drawbridge/columnar";
import type { GatewayIntake, MissingRequests } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { questionLimits } from "./query-limits.ts";
import { numberOf, textOf, wholeOf } from "./rows.ts";

const mostGaps = 100;

/** What came of each gateway, and what is missing of it. `fabricId` empty: of all fabrics. */
export async function gatewayIntakes(
  store: Pick<ColumnarStore, "query">,
  fabricId: string,
  signal: AbortSignal,
): Promise<GatewayIntake[]> {
  const parameters = { fabric: fabricId };
  const [stored, lost] = await Promise.all([
    store.query(
      {
        sql: sql`SELECT fabric_id, gateway, sum(requests) AS stored, toUnixTimestamp(max(last_received_at)) AS last
FROM request_batches WHERE {fabric:String} IN ('', fabric_id) GROUP BY fabric_id, gateway`,
        parameters,
        limits: questionLimits,
      },
      signal,
    ),
    store.query(
      {
        sql: sql`SELECT fabric_id, gateway, requests, toUnixTimestamp64Milli(from_ts) AS from_ms, toUnixTimestamp64Milli(to_ts) AS to_ms, reason
FROM request_gaps FINAL WHERE {fabric:String} IN ('', fabric_id)
ORDER BY fabric_id, gateway, from_ts DESC LIMIT {most:UInt32} BY fabric_id, gateway`,
        parameters: { ...parameters, most: mostGaps },
        limits: questionLimits,
      },
      signal,
    ),
  ]);
  const gateways = new Map<string, GatewayIntake>();
  const gatewayOf = (row: (typeof stored)[number]): GatewayIntake => {
    const names = { fabricId: textOf(row, "fabric_id"), gatewayId: textOf(row, "gateway") };
    const name = JSON.stringify(names);
    const known = gateways.get(name) ?? { ...names, lastBatchAt: undefined, requests: 0n, missing: [] };
    gateways.set(name, known);
    return known;
  };
  for (const row of stored) {
    const gateway = gatewayOf(row);
    gateway.requests = wholeOf(row, "stored");
    gateway.lastBatchAt = new Date(numberOf(row, "last") * 1_000);
  }
  for (const row of lost) {
    gatewayOf(row).missing.push({
      requests: wholeOf(row, "requests"),
      from: new Date(numberOf(row, "from_ms")),
      to: new Date(numberOf(row, "to_ms")),
      // The column holds the contract's numbers.
      reason: numberOf(row, "reason") as MissingRequests["reason"],
    });
  }
  return [...gateways.values()].toSorted(
    (a, b) => a.fabricId.localeCompare(b.fabricId) || a.gatewayId.localeCompare(b.gatewayId),
  );
}
