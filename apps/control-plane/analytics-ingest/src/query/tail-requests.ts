import { type ColumnarStore, type QueryParameters, type Row, sql, type Sql } from "@drawbridge/columnar";
import type { ListRequestsResponse } from "@drawbridge/contracts/analytics/v1/analytics_service";
import type { Clock } from "@drawbridge/lifecycle";
import { listRequests, mostRecords } from "./list-requests.ts";
import { questionLimits } from "./query-limits.ts";
import { batchOf, recordColumns, recordFromRow } from "./request-columns.ts";
import { numberOf, textOf, wholeOf } from "./rows.ts";
import { type Selection, selected, selectionParameters } from "./selection.ts";
import { requestsTable } from "./tables.ts";

/** How long after it was received a request may come in and still be told: a gateway sends every second. */
const windowMs = 10 * 60_000;
const pollMs = 1_000;
/** Of the batches that came in since the last look. */
const mostBatches = 2_000;

interface Batch {
  readonly fabricId: string;
  readonly gateway: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
  /** Of those that are asked for. */
  readonly requests: bigint;
}

export interface TailDeps {
  readonly store: Pick<ColumnarStore, "query">;
  readonly clock: Pick<Clock, "now" | "sleep">;
}

/**
 * The last `limit` requests, then those that come in, until `signal` aborts. Rows appear by batch, whole and in any order; so what
 * was told is remembered by batch, for as long as the window is, and nothing is told twice or lost between two looks.
 */
export async function* tailRequests(
  { store, clock }: TailDeps,
  { selection, limit }: { readonly selection: Selection; readonly limit: number },
  signal: AbortSignal,
): AsyncGenerator<ListRequestsResponse> {
  let known = await batchesInWindow(store, windowBegin(clock), selection, signal);
  const windowOfStart = windowBegin(clock).getTime();
  const range = { from: selection.range.from, to: new Date(clock.now().getTime() + windowMs) };
  const there = await listRequests(store, { selection: { ...selection, range }, limit }, signal);
  // What came in between the two looks is told by the next one.
  const seen = known;
  const told = there.filter((row) => seen.has(batchOf(row)) || numberOf(row, "ms") < windowOfStart);
  if (told.length > 0) yield { requests: told.toReversed().map(recordFromRow), leftOut: 0n };
  while (!signal.aborted) {
    await clock.sleep(pollMs, signal);
    const now = await batchesInWindow(store, windowBegin(clock), selection, signal);
    const fresh = [...now].filter(([name]) => !known.has(name)).map(([, batch]) => batch);
    known = now;
    if (fresh.length > 0) yield await requestsOf(store, { selection, fresh, since: windowBegin(clock) }, signal);
  }
}

function windowBegin(clock: Pick<Clock, "now">): Date {
  return new Date(clock.now().getTime() - windowMs);
}

async function batchesInWindow(
  store: Pick<ColumnarStore, "query">,
  since: Date,
  selection: Selection,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Batch>> {
  const condition = selected(selection, requestsTable.keyOf);
  const rows = await store.query(
    {
      sql: sql`SELECT fabric_id, gateway, epoch, sequence, count() AS requests FROM requests WHERE ts >= {since:DateTime64(3, 'UTC')} AND ${condition} GROUP BY fabric_id, gateway, epoch, sequence`,
      parameters: { ...selectionParameters(selection), since },
      limits: questionLimits,
    },
    signal,
  );
  return new Map(rows.map((row) => [batchOf(row), batchFromRow(row)]));
}

function batchFromRow(row: Row): Batch {
  return {
    fabricId: textOf(row, "fabric_id"),
    gateway: textOf(row, "gateway"),
    epoch: wholeOf(row, "epoch"),
    sequence: wholeOf(row, "sequence"),
    requests: wholeOf(row, "requests"),
  };
}

/** The requests of batches that are new: as many as can be told, the newest of them, and how many those are not. */
async function requestsOf(
  store: Pick<ColumnarStore, "query">,
  of: { readonly selection: Selection; readonly fresh: readonly Batch[]; readonly since: Date },
  signal: AbortSignal,
): Promise<ListRequestsResponse> {
  const { selection, since } = of;
  const batches = of.fresh.slice(-mostBatches);
  const condition = sql`ts >= {since:DateTime64(3, 'UTC')} AND ${selected(selection, requestsTable.keyOf)} AND ${ofBatches}`;
  const parameters: QueryParameters = {
    ...selectionParameters(selection),
    since,
    fabrics: batches.map(({ fabricId }) => fabricId),
    gateways: batches.map(({ gateway }) => gateway),
    epochs: batches.map(({ epoch }) => epoch),
    sequences: batches.map(({ sequence }) => sequence),
  };
  const rows = await store.query(
    {
      sql: sql`SELECT ${recordColumns} FROM requests WHERE ${condition} ORDER BY ts DESC LIMIT {limit:UInt32}`,
      parameters: { ...parameters, limit: mostRecords },
      limits: questionLimits,
    },
    signal,
  );
  const all = of.fresh.reduce((sum, { requests }) => sum + requests, 0n);
  return { requests: rows.toReversed().map(recordFromRow), leftOut: all - BigInt(rows.length) };
}

const ofBatches: Sql = sql`(fabric_id, gateway, epoch, sequence) IN (SELECT arrayJoin(arrayZip({fabrics:Array(String)}, {gateways:Array(String)}, {epochs:Array(UInt64)}, {sequences:Array(UInt64)})))`;
