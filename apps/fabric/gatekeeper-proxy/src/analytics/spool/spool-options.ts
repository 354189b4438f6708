import type { Clock } from "@drawbridge/lifecycle";
import type { RecordedCount } from "../recorded-counts.ts";
import type { Loss } from "./gap-list.ts";
import type { SegmentRecord } from "./segment-record.ts";
import type { Segment } from "./segment.ts";

export interface SpoolLimits {
  /** Of all segments. */
  readonly bytes: number;
  readonly segmentBytes: number;
  readonly ageMs: number;
}

export interface SpoolOptions {
  readonly directory: string;
  readonly limits: SpoolLimits;
  /** What threads recorded before now: what of it the spool never received is lost. `undefined`: nobody knows. */
  readonly recordedBefore: RecordedCount | undefined;
  readonly clock: Clock;
  /** What of the time is past for sure. */
  readonly pastMs: () => number;
  /** The bytes of a batch with this name and these gaps, as they are sent. */
  readonly encode: (
    name: { readonly epoch: number; readonly sequence: number },
    losses: readonly Loss[],
    body: Uint8Array,
  ) => Uint8Array;
  /** Each lost request once. */
  readonly onLoss: (loss: Loss) => void;
}

export interface RecordedBatch {
  readonly body: Uint8Array;
  readonly rows: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A batch that was handed out: to be settled, or handed out again after `rewind`. */
export interface SpooledBatch extends SegmentRecord {
  readonly segment: Segment;
  isSettled: boolean;
}

export interface SpoolStats {
  readonly bytes: number;
  /** Requests that wait, with those that gaps among them tell of. */
  readonly requests: number;
  /** Milliseconds since the epoch of the oldest that waits. */
  readonly oldestMs: number | undefined;
  /** Segments that were set aside. */
  readonly damaged: number;
  /** Why nothing can be written now. */
  readonly failure: string | undefined;
}
