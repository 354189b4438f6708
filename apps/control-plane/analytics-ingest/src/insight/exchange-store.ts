import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ColumnarStore, sql } from "@drawbridge/columnar";
import type { Clock, Component, IdSource } from "@drawbridge/lifecycle";
import { textOf } from "../query/rows.ts";
import { createCaptureRoom, lossBytes, type RoomOptions } from "./capture-room.ts";
import {
  type ReceivedExchange,
  type ReceivedInsight,
  type ReceivedLoss,
  writeExchanges,
  writeLosses,
} from "./insight-block.ts";

export interface ExchangeStoreDeps {
  readonly store: Pick<ColumnarStore, "insertFile" | "query" | "setRetention">;
  /** Of this store alone: files on their way into it. */
  readonly directory: string;
  readonly retentionDays: number;
  /** Default: 32 MiB of a capture in a fabric, 1 GiB and 1,000 captures of a fabric. */
  readonly room?: RoomOptions;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly ids: IdSource;
}

export interface KeptInsight {
  /** Exchanges that are stored, now or before. */
  readonly accepted: number;
  /** Captures of which something was left out, because so much of them, or of so many of the fabric, is stored already. */
  readonly fullCaptures: readonly string[];
}

/** Where exchanges are kept. Its start sets for how long. */
export interface ExchangeStore extends Component {
  /** Resolves when they are in the store, each once however often it came. */
  keep(received: ReceivedInsight): Promise<KeptInsight>;
}

const mib = 1024 * 1024;
const defaultRoom: RoomOptions = { captureBytes: 32 * mib, fabricBytes: 1024 * mib, fabricCaptures: 1_000 };
/** Batches that are written together. */
const batchesAtOnce = 8;

interface Waiting {
  readonly received: ReceivedInsight;
  readonly done: PromiseWithResolvers<KeptInsight>;
}

/**
 * One file at a time: what comes in meanwhile is in the next one. So it can be asked before each what is there already, and an
 * exchange that is sent again, whatever became of the first try, is found. What a crash leaves of a file was acknowledged to
 * nobody, and is thrown away.
 */
export function createExchangeStore(deps: ExchangeStoreDeps): ExchangeStore {
  const { store, directory, clock, ids, retentionDays: days } = deps;
  const room = createCaptureRoom(deps.room ?? defaultRoom, { store, clock });
  const waiting: Waiting[] = [];
  let writing: Promise<void> | undefined;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.splice(0, batchesAtOnce);
      try {
        const results = await write(group.map(({ received }) => received));
        for (const [index, { done }] of group.entries()) done.resolve(results[index] ?? nothing);
      } catch (error) {
        room.forget();
        for (const { done } of group) done.reject(error);
      }
    }
    writing = undefined; // in the same turn in which nothing waited
  }

  async function write(batches: readonly ReceivedInsight[]): Promise<readonly KeptInsight[]> {
    await room.count(batches.flatMap((batch) => [...batch.exchanges, ...batch.losses]));
    const known = await knownOf(batches.flatMap(({ exchanges }) => exchanges));
    const fresh: ReceivedExchange[] = [];
    const losses: ReceivedLoss[] = [];
    const results = batches.map((batch): KeptInsight => {
      const full = new Set<string>();
      let accepted = 0;
      for (const exchange of batch.exchanges) {
        const name = nameOf(exchange);
        if (!known.has(name) && !room.take(exchange, exchange.bytes.length)) {
          full.add(exchange.captureId);
          continue;
        }
        if (!known.has(name)) fresh.push(exchange);
        known.add(name);
        accepted += 1;
      }
      for (const loss of batch.losses) {
        if (room.take(loss, lossBytes)) losses.push(loss);
        else full.add(loss.captureId);
      }
      return { accepted, fullCaptures: [...full] };
    });
    if (losses.length > 0) await insert("insight_losses", (path) => writeLosses(path, losses));
    if (fresh.length > 0) await insert("insight_exchanges", (path) => writeExchanges(path, fresh));
    return results;
  }

  async function knownOf(exchanges: readonly ReceivedExchange[]): Promise<Set<string>> {
    if (exchanges.length === 0) return new Set();
    const distinct = (values: readonly string[]): readonly string[] => [...new Set(values)];
    const rows = await store.query({
      sql: sql`SELECT fabric_id, capture_id, exchange_id FROM insight_exchanges WHERE environment IN {environments:Array(String)} AND capture_id IN {captures:Array(String)} AND exchange_id IN {ids:Array(String)}`,
      parameters: {
        environments: distinct(exchanges.map(({ environment }) => environment)),
        captures: distinct(exchanges.map(({ captureId }) => captureId)),
        ids: distinct(exchanges.map(({ exchangeId }) => exchangeId)),
      },
    });
    return new Set(
      rows.map((row) =>
        nameOf({
          fabricId: textOf(row, "fabric_id"),
          captureId: textOf(row, "capture_id"),
          exchangeId: textOf(row, "exchange_id"),
        }),
      ),
    );
  }

  async function insert(table: string, write: (path: string) => Promise<void>): Promise<void> {
    const token = ids.next();
    const path = join(directory, `${token}.native`);
    try {
      await write(path);
      await store.insertFile({ table, path, token });
    } finally {
      await rm(path, { force: true });
    }
  }

  return {
    name: "insight exchanges",
    start: async () => {
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true, mode: 0o700 });
      for (const table of ["insight_exchanges", "insight_losses"])
        await store.setRetention({ table, column: "received_at", days });
    },
    stop: async () => {
      await writing;
    },
    keep: (received) => {
      const done = Promise.withResolvers<KeptInsight>();
      waiting.push({ received, done });
      writing ??= writeAll();
      return done.promise;
    },
  };
}

const nothing: KeptInsight = { accepted: 0, fullCaptures: [] };

/** All three are UUIDs. */
function nameOf(of: Pick<ReceivedExchange, "fabricId" | "captureId" | "exchangeId">): string {
  return `${of.fabricId} ${of.captureId} ${of.exchangeId}`;
}
