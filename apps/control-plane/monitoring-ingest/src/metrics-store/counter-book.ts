import type { Baseline } from "../domain/counter-baselines.ts";
import type { Baselines } from "../domain/metric-rows.ts";

/** Where cumulative counters stand, in memory; a draft of changes is taken over when it is on the disk. */
export interface CounterBook {
  draft(): CounterDraft;
  load(fabricId: string, series: string, baseline: Baseline): void;
}

export interface CounterChange {
  readonly fabricId: string;
  readonly series: string;
  readonly baseline: Baseline;
}

export interface CounterDraft extends Baselines {
  changes(): Iterable<CounterChange>;
  /** Make the changes those of the book. */
  keep(): void;
}

type Counters = Map<string, Baseline>;

interface FabricChanges {
  readonly counters: Counters;
  /** Those of them that the book does not have. */
  added: number;
}

/** What was not heard of for so long makes room; the store forgets it a little later. */
const forgottenAfterMs = 86_400_000;

export function createCounterBook(options: { readonly maxCountersPerFabric: number }): CounterBook {
  /** By fabric, and in a fabric by series; longest ago first. */
  const fabrics = new Map<string, Counters>();

  function countersOf(fabricId: string): Counters {
    let counters = fabrics.get(fabricId);
    if (counters === undefined) fabrics.set(fabricId, (counters = new Map()));
    return counters;
  }

  function put(fabricId: string, series: string, baseline: Baseline): void {
    const counters = countersOf(fabricId);
    counters.delete(series);
    counters.set(series, baseline);
  }

  function hasRoom(counters: Counters, changes: FabricChanges, nowMs: number): boolean {
    const isFull = (): boolean => counters.size + changes.added >= options.maxCountersPerFabric;
    for (const [longestAgo, { timeMs }] of counters) {
      if (!isFull() || nowMs - timeMs < forgottenAfterMs) break;
      counters.delete(longestAgo);
      // It was heard of again just now, and comes back with the changes.
      if (changes.counters.has(longestAgo)) changes.added += 1;
    }
    return !isFull();
  }

  return {
    load: put,
    draft: () => {
      const changed = new Map<string, FabricChanges>();
      const changesOf = (fabricId: string): FabricChanges => {
        let changes = changed.get(fabricId);
        if (changes === undefined) changed.set(fabricId, (changes = { counters: new Map(), added: 0 }));
        return changes;
      };
      return {
        find: (fabricId, series) => changed.get(fabricId)?.counters.get(series) ?? fabrics.get(fabricId)?.get(series),
        set: (fabricId, series, baseline) => {
          const [counters, changes] = [countersOf(fabricId), changesOf(fabricId)];
          if (!counters.has(series) && !changes.counters.has(series)) {
            if (!hasRoom(counters, changes, baseline.timeMs)) return false;
            changes.added += 1;
          }
          changes.counters.set(series, baseline);
          return true;
        },
        *changes() {
          for (const [fabricId, { counters }] of changed)
            for (const [series, baseline] of counters) yield { fabricId, series, baseline };
        },
        keep: () => {
          for (const [fabricId, { counters }] of changed)
            for (const [series, baseline] of counters) put(fabricId, series, baseline);
        },
      };
    },
  };
}
