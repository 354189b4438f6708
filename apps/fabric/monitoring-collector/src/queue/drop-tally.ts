import type { DropReason } from "./batch-queue.ts";

/** Data points that were lost and of which nobody was told yet. */
export interface DropTally {
  add(reason: DropReason, dataPoints: number): void;
  untold(): ReadonlyMap<DropReason, number>;
  /** These are on their way. */
  told(counts: ReadonlyMap<DropReason, number>): void;
}

export function createDropTally(): DropTally {
  const counts = new Map<DropReason, number>();
  return {
    add: (reason, dataPoints) => void counts.set(reason, (counts.get(reason) ?? 0) + dataPoints),
    untold: () => new Map(counts),
    told: (told) => {
      for (const [reason, dataPoints] of told) {
        const left = (counts.get(reason) ?? 0) - dataPoints;
        if (left > 0) counts.set(reason, left);
        else counts.delete(reason);
      }
    },
  };
}
