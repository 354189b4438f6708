import { sql, type ColumnarStore } from "@drawbridge/columnar";
import { batchKeyText, type BatchKey } from "../receive/queued-batch.ts";

/**
 * Days for which a batch is known after it was stored. One comes twice when a gateway did not learn that it had arrived and keeps
 * it in its spool, when the queue delivers it again (a day), or when somebody replays a dead letter: all within these.
 */
const knownDays = 35;
const mostRows = 5_000_000;

/** Batches `sequence` to `last` of a numbering. */
export type StoredBatches = BatchKey & { readonly last: bigint };

/** Which batches the store holds, by what is written with their rows. */
export async function readStoredBatches(store: Pick<ColumnarStore, "query">): Promise<readonly StoredBatches[]> {
  const rows = await store.query({
    sql: sql`SELECT fabric_id, gateway, epoch, word, groupBitOr(mask) AS bits FROM request_batches
      WHERE day >= today() - {days:UInt16} GROUP BY fabric_id, gateway, epoch, word
      ORDER BY fabric_id, gateway, epoch, word`,
    parameters: { days: knownDays },
    limits: { maxResultRows: mostRows, maxExecutionMs: 60_000 },
  });
  return rows.flatMap((row) => {
    const { fabric_id: fabricId, gateway, epoch, word, bits } = row;
    // As the columns of the table are.
    const base = BigInt(String(word)) * 64n;
    return rangesOf(BigInt(String(bits))).map(([first, last]) => ({
      fabricId: String(fabricId),
      gatewayId: String(gateway),
      epoch: BigInt(String(epoch)),
      sequence: base + first,
      last: base + last,
    }));
  });
}

/** Runs of ones, lowest first. */
export function rangesOf(bits: bigint): readonly (readonly [first: bigint, last: bigint])[] {
  const ranges: (readonly [bigint, bigint])[] = [];
  let first: bigint | undefined;
  for (let bit = 0n; bit <= 64n; bit += 1n) {
    const isSet = ((bits >> bit) & 1n) === 1n;
    if (isSet) first ??= bit;
    else if (first !== undefined) {
      ranges.push([first, bit - 1n]);
      first = undefined;
    }
  }
  return ranges;
}

/** Changes when the table is another one, as after a backup was restored: it then knows no token of an insert. */
export async function readTableId(store: Pick<ColumnarStore, "query">): Promise<string> {
  const [row] = await store.query({
    sql: sql`SELECT toString(uuid) AS id FROM system.tables
      WHERE database = currentDatabase() AND name IN ('requests', 'requests_local') ORDER BY length(name) DESC LIMIT 1`,
  });
  return String(row?.["id"]);
}

/**
 * Whether rows of any of these batches are in the table of requests. Looks at the rows themselves, of all days that they may
 * be of, and is asked only when an insert was refused.
 */
export async function isAnyStored(store: Pick<ColumnarStore, "query">, keys: readonly BatchKey[]): Promise<boolean> {
  const [row] = await store.query({
    sql: sql`SELECT count() > 0 AS found FROM requests WHERE received_at >= now() - INTERVAL {days:UInt16} DAY
      AND ts >= now() - INTERVAL {days:UInt16} DAY - INTERVAL 7 DAY
      AND concat(fabric_id, ':', gateway, ':', toString(epoch), ':', toString(sequence)) IN {keys:Array(String)}`,
    parameters: { days: knownDays, keys: keys.map(batchKeyText) },
    limits: { maxExecutionMs: 300_000 },
  });
  return Number(row?.["found"]) > 0;
}
