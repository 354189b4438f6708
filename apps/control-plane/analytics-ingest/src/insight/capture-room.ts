import { type ColumnarStore, sql } from "@drawbridge/columnar";
import type { Clock } from "@drawbridge/lifecycle";
import { numberOf, textOf } from "../query/rows.ts";

export interface RoomOptions {
  /** Of one capture in one fabric. */
  readonly captureBytes: number;
  /** Of all captures in one fabric, as long as they are kept. */
  readonly fabricBytes: number;
  /** Captures of which something is kept, in one fabric. */
  readonly fabricCaptures: number;
}

export interface CaptureInFabric {
  readonly fabricId: string;
  readonly captureId: string;
}

/** How much more of captures may be stored: a fabric that sends without end fills its own room, and no disk. */
export interface CaptureRoom {
  /**
   * Know what is stored of `captures`, and of every fabric in all. Counts again if that was long ago: what was kept long enough
   * is gone by then, and replicas store too.
   */
  count(captures: readonly CaptureInFabric[]): Promise<void>;
  /** Take room for something of a capture that was counted; false: there is none. */
  take(of: CaptureInFabric, bytes: number): boolean;
  /** Nobody knows what was stored: count again before anything else is taken. */
  forget(): void;
}

/** What a line of losses counts as. */
export const lossBytes = 256;
const refreshMs = 60_000;

interface FabricTotal {
  readonly bytes: number;
  readonly captures: number;
}

/*
 * Invariant: no statement answers with more rows than there are fabrics or captures at hand, whatever ids a fabric makes up.
 * A capture that is in `byCapture` has something stored; of one that is not, nothing is.
 */
export function createCaptureRoom(
  options: RoomOptions,
  deps: { readonly store: Pick<ColumnarStore, "query">; readonly clock: Pick<Clock, "monotonicMs"> },
): CaptureRoom {
  const { store, clock } = deps;
  const byCapture = new Map<string, number>();
  const byFabric = new Map<string, FabricTotal>();
  let countedMs: number | undefined;

  async function countFabrics(): Promise<void> {
    const rows = await store.query({
      sql: sql`SELECT fabric_id, sum(stored) AS bytes, uniqExact(capture_id) AS captures FROM (SELECT fabric_id, capture_id, sum(size_bytes) AS stored FROM insight_exchanges GROUP BY fabric_id, capture_id UNION ALL SELECT fabric_id, capture_id, count() * {line:UInt64} AS stored FROM insight_losses GROUP BY fabric_id, capture_id) GROUP BY fabric_id`,
      parameters: { line: lossBytes },
    });
    byCapture.clear();
    byFabric.clear();
    for (const row of rows) {
      byFabric.set(textOf(row, "fabric_id"), { bytes: numberOf(row, "bytes"), captures: numberOf(row, "captures") });
    }
    countedMs = clock.monotonicMs();
  }

  async function countCaptures(captures: readonly CaptureInFabric[]): Promise<void> {
    const rows = await store.query({
      sql: sql`SELECT fabric_id, capture_id, sum(stored) AS bytes FROM (SELECT fabric_id, capture_id, sum(size_bytes) AS stored FROM insight_exchanges WHERE capture_id IN {captures:Array(String)} AND fabric_id IN {fabrics:Array(String)} GROUP BY fabric_id, capture_id UNION ALL SELECT fabric_id, capture_id, count() * {line:UInt64} AS stored FROM insight_losses WHERE capture_id IN {captures:Array(String)} AND fabric_id IN {fabrics:Array(String)} GROUP BY fabric_id, capture_id) GROUP BY fabric_id, capture_id`,
      parameters: {
        captures: [...new Set(captures.map(({ captureId }) => captureId))],
        fabrics: [...new Set(captures.map(({ fabricId }) => fabricId))],
        line: lossBytes,
      },
    });
    for (const row of rows) {
      const of = { fabricId: textOf(row, "fabric_id"), captureId: textOf(row, "capture_id") };
      // What was taken since may be on its way into the store, and is counted already.
      if (!byCapture.has(keyOf(of))) byCapture.set(keyOf(of), numberOf(row, "bytes"));
    }
  }

  return {
    count: async (captures) => {
      if (countedMs === undefined || clock.monotonicMs() - countedMs >= refreshMs) await countFabrics();
      const unknown = captures.filter((of) => !byCapture.has(keyOf(of)));
      if (unknown.length > 0) await countCaptures(unknown);
    },
    take: (of, bytes) => {
      const { captureBytes, fabricBytes, fabricCaptures } = options;
      const ofCapture = byCapture.get(keyOf(of));
      const ofFabric = byFabric.get(of.fabricId) ?? { bytes: 0, captures: 0 };
      const captures = ofFabric.captures + (ofCapture === undefined ? 1 : 0);
      if (ofCapture === undefined && captures > fabricCaptures) return false;
      if ((ofCapture ?? 0) + bytes > captureBytes || ofFabric.bytes + bytes > fabricBytes) return false;
      byCapture.set(keyOf(of), (ofCapture ?? 0) + bytes);
      byFabric.set(of.fabricId, { bytes: ofFabric.bytes + bytes, captures });
      return true;
    },
    forget: () => {
      countedMs = undefined;
    },
  };
}

/** Both are UUIDs. */
function keyOf({ fabricId, captureId }: CaptureInFabric): string {
  return `${fabricId} ${captureId}`;
}
