import type { Measured, Served } from "./served.ts";

/** What was measured of a proxy under one kind of load, by round; a round may leave it out. */
export type Series = ReadonlyMap<number, Measured>;

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Everything that was measured. */
export class Rounds {
  readonly #series = new Map<string, Map<number, Measured>>();

  add(round: number, at: { readonly served: Served; readonly load: string; readonly result: Measured }): void {
    const key = keyOf(at.served, at.load);
    const series = this.#series.get(key) ?? new Map<number, Measured>();
    series.set(round, at.result);
    this.#series.set(key, series);
  }

  of(served: Served, load: string): Series {
    return this.#series.get(keyOf(served, load)) ?? new Map<number, Measured>();
  }

  get all(): readonly Measured[] {
    return Array.from(this.#series.values(), (series) => Array.from(series.values())).flat();
  }
}

const keyOf = ({ name, port }: Served, load: string): string => `${name} ${port} ${load}`;

/**
 * Two proxies compared within each round that has both. The half of those rounds counts in which others had least of the
 * core, whatever came out of them.
 */
export function compare(one: Series, other: Series, value: (one: Measured, other: Measured) => number): Spread {
  const pairs = [...one].flatMap(([round, first]) => {
    const second = other.get(round);
    return second === undefined ? [] : [{ first, second }];
  });
  const quiet = quieterHalf(pairs, ({ first, second }) => Math.max(first.foreignShare, second.foreignShare));
  return spreadOf(quiet.map(({ first, second }) => value(first, second)));
}

/** Median over the quieter half of the rounds. */
export function typical(series: Series, value: (result: Measured) => number): number {
  return spreadOf(quieterHalf([...series.values()], ({ foreignShare }) => foreignShare).map(value)).median;
}

function quieterHalf<T>(items: readonly T[], foreignShare: (item: T) => number): readonly T[] {
  return items.toSorted((one, other) => foreignShare(one) - foreignShare(other)).slice(0, Math.ceil(items.length / 2));
}

/** Median, and the quarters around it. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}
