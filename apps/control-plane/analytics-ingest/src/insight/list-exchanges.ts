import { type ColumnarStore, type Row, sql } from "@drawbridge/columnar";
import { CapturedExchange } from "@drawbridge/contracts/insight/v1/insight_batch";
import type { ListExchangesResponse, StoredExchange } from "@drawbridge/contracts/insight/v1/insight_service";
import type { Clock } from "@drawbridge/lifecycle";
import { questionLimits } from "../query/query-limits.ts";
import { numberOf, textOf } from "../query/rows.ts";

export interface ExchangeReader {
  readonly store: Pick<ColumnarStore, "query">;
  readonly clock: Pick<Clock, "now" | "sleep">;
  readonly retentionDays: number;
}

export interface AskedExchanges {
  readonly environment: string;
  readonly captureId: string;
  /** Of those that are there. */
  readonly limit: number;
}

/** An exchange by what names it, without what it holds. */
interface Named {
  readonly fabricId: string;
  readonly exchangeId: string;
}

/** As many as a capture may take. */
export const mostExchanges = 100_000;
const dayMs = 86_400_000;
const pollMs = 1_000;
/** Between receiving an exchange and storing it. */
const windowMs = 5 * 60_000;
/** Read at once: with bodies of 128 KiB both ways they stay within a question's memory. */
const bodiesAtOnce = 50;

/** Exchanges of a capture, newest first. */
export async function* listExchanges(
  reader: ExchangeReader,
  asked: AskedExchanges,
  signal: AbortSignal,
): AsyncGenerator<ListExchangesResponse> {
  const since = keptSince(reader.clock, reader.retentionDays);
  yield* read(reader, asked, await namesOf(reader, { ...asked, since }, signal), signal);
}

/** The last `limit`, oldest first, then those that come in, until `signal` aborts; each once. */
export async function* tailExchanges(
  reader: ExchangeReader,
  asked: AskedExchanges,
  signal: AbortSignal,
): AsyncGenerator<ListExchangesResponse> {
  const told = new Set<string>();
  const all = { ...asked, limit: mostExchanges };
  const since = keptSince(reader.clock, reader.retentionDays);
  const there = await namesOf(reader, { ...all, since }, signal);
  for (const name of there) told.add(keyOf(name));
  yield* read(reader, asked, there.slice(0, asked.limit).toReversed(), signal);
  while (!signal.aborted) {
    await reader.clock.sleep(pollMs, signal);
    const recently = new Date(reader.clock.now().getTime() - windowMs);
    const lately = await namesOf(reader, { ...all, since: recently }, signal);
    const fresh = lately.filter((name) => !told.has(keyOf(name)));
    for (const name of fresh) told.add(keyOf(name));
    yield* read(reader, asked, fresh.toReversed(), signal);
  }
}

async function namesOf(
  { store }: ExchangeReader,
  { environment, captureId, limit, since }: AskedExchanges & { readonly since: Date },
  signal: AbortSignal,
): Promise<readonly Named[]> {
  const rows = await store.query(
    {
      sql: sql`SELECT fabric_id, exchange_id, max(ts) AS at FROM insight_exchanges WHERE environment = {environment:String} AND capture_id = {capture:String} AND received_at >= {since:DateTime64(3, 'UTC')} GROUP BY fabric_id, exchange_id ORDER BY at DESC, exchange_id DESC LIMIT {limit:UInt32}`,
      parameters: { environment, capture: captureId, limit, since },
      limits: { ...questionLimits, maxResultRows: mostExchanges },
    },
    signal,
  );
  return rows.map((row) => ({ fabricId: textOf(row, "fabric_id"), exchangeId: textOf(row, "exchange_id") }));
}

/** In the order of `names`. */
async function* read(
  { store }: ExchangeReader,
  { environment, captureId }: AskedExchanges,
  names: readonly Named[],
  signal: AbortSignal,
): AsyncGenerator<ListExchangesResponse> {
  for (let start = 0; start < names.length; start += bodiesAtOnce) {
    const some = names.slice(start, start + bodiesAtOnce);
    const rows = await store.query(
      {
        sql: sql`SELECT fabric_id, exchange_id, toUnixTimestamp(received_at) AS stored_s, exchange FROM insight_exchanges WHERE environment = {environment:String} AND capture_id = {capture:String} AND exchange_id IN {ids:Array(String)}`,
        parameters: { environment, capture: captureId, ids: some.map(({ exchangeId }) => exchangeId) },
        limits: questionLimits,
      },
      signal,
    );
    const byKey = new Map(rows.map((row) => [keyOf(nameFrom(row)), row]));
    for (const name of some) {
      const row = byKey.get(keyOf(name));
      // One whose time ran out between the two questions is gone.
      if (row !== undefined) yield { exchanges: [exchangeFrom(row)] };
    }
  }
}

/** What is older is not told, also where the engine has not thrown it away yet. */
export function keptSince(clock: Pick<Clock, "now">, retentionDays: number): Date {
  return new Date(clock.now().getTime() - retentionDays * dayMs);
}

function exchangeFrom(row: Row): StoredExchange {
  return {
    exchange: CapturedExchange.decode(Buffer.from(textOf(row, "exchange"), "base64")),
    fabricId: textOf(row, "fabric_id"),
    storedAt: new Date(numberOf(row, "stored_s") * 1_000),
  };
}

function nameFrom(row: Row): Named {
  return { fabricId: textOf(row, "fabric_id"), exchangeId: textOf(row, "exchange_id") };
}

function keyOf({ fabricId, exchangeId }: Named): string {
  return `${fabricId} ${exchangeId}`;
}
