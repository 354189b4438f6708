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

  function hasRoom(counters: Counters, more: number, nowMs: number): boolean {
    for (const [longestAgo, { timeMs }] of counters) {
      if (counters.size + more < options.maxCountersPerFabric || nowMs - timeMs < forgottenAfterMs) break;
      counters.delete(longestAgo);
    }
    return counters.size + more < options.maxCountersPerFabric;
  }

  return {
    load: put,
    draft: () => {
      const changed = new Map<string, Counters>();
      const changesOf = (fabricId: string): Counters => {
        let counters = changed.get(fabricId);
        if (counters === undefined) changed.set(fabricId, (counters = new Map()));
        return counters;
      };
      return {
        find: (fabricId, series) => changed.get(fabricId)?.get(series) ?? fabrics.get(fabricId)?.get(series),
        set: (fabricId, series, baseline) => {
          const [counters, changes] = [countersOf(fabricId), changesOf(fabricId)];
          const isKnown = counters.has(series) || changes.has(series);
          if (!isKnown && !hasRoom(counters, changes.size, baseline.timeMs)) return false;
          changes.set(series, baseline);
          return true;
        },
        *changes() {
          for (const [fabricId, counters] of changed)
            for (const [series, baseline] of counters) yield { fabricId, series, baseline };
        },
        keep: () => {
          for (const [fabricId, counters] of changed)
            for (const [series, baseline] of counters) put(fabricId, series, baseline);
        },
      };
    },
  };
}
