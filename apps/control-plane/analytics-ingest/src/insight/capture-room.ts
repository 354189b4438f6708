import { type ColumnarStore, sql } from "@drawbridge/columnar";
import type { Clock } from "@drawbridge/lifecycle";
import { numberOf, textOf } from "../query/rows.ts";

export interface RoomOptions {
  /** Of one capture in one fabric. */
  readonly captureBytes: number;
  /** Of all captures in one fabric, as long as they are kept. */
  readonly fabricBytes: number;
}

/** How much more of captures may be stored: a fabric that sends without end fills its own room, and no disk. */
export interface CaptureRoom {
  /** Count again what is stored, if that was long ago: what was kept long enough is gone by then, and replicas store too. */
  refresh(): Promise<void>;
  /** Take room for something of a capture; false: there is none. */
  take(of: { readonly fabricId: string; readonly captureId: string }, bytes: number): boolean;
  /** Nobody knows what was stored: count again before anything else is taken. */
  forget(): void;
}

/** What a line of losses counts as. */
export const lossBytes = 256;
const refreshMs = 60_000;

export function createCaptureRoom(
  options: RoomOptions,
  deps: { readonly store: Pick<ColumnarStore, "query">; readonly clock: Pick<Clock, "monotonicMs"> },
): CaptureRoom {
  const { store, clock } = deps;
  const byCapture = new Map<string, number>();
  const byFabric = new Map<string, number>();
  let countedMs: number | undefined;

  function add(fabricId: string, captureId: string, bytes: number): void {
    const capture = captureKey(fabricId, captureId);
    byCapture.set(capture, (byCapture.get(capture) ?? 0) + bytes);
    byFabric.set(fabricId, (byFabric.get(fabricId) ?? 0) + bytes);
  }

  return {
    refresh: async () => {
      if (countedMs !== undefined && clock.monotonicMs() - countedMs < refreshMs) return;
      const rows = await store.query({
        sql: sql`SELECT fabric_id, capture_id, sum(size_bytes) AS bytes FROM insight_exchanges GROUP BY fabric_id, capture_id UNION ALL SELECT fabric_id, capture_id, count() * {line:UInt64} AS bytes FROM insight_losses GROUP BY fabric_id, capture_id`,
        parameters: { line: lossBytes },
      });
      byCapture.clear();
      byFabric.clear();
      for (const row of rows) add(textOf(row, "fabric_id"), textOf(row, "capture_id"), numberOf(row, "bytes"));
      countedMs = clock.monotonicMs();
    },
    take: ({ fabricId, captureId }, bytes) => {
      const ofCapture = byCapture.get(captureKey(fabricId, captureId)) ?? 0;
      if (ofCapture + bytes > options.captureBytes) return false;
      if ((byFabric.get(fabricId) ?? 0) + bytes > options.fabricBytes) return false;
      add(fabricId, captureId, bytes);
      return true;
    },
    forget: () => {
      countedMs = undefined;
    },
  };
}

/** Both are UUIDs. */
function captureKey(fabricId: string, captureId: string): string {
  return `${fabricId} ${captureId}`;
}
