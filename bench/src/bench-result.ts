/** One figure of a benchmark. */
export interface Figure {
  readonly value: number;
  readonly unit: string;
  /** What we want to reach; null where a figure only informs. */
  readonly goal: number | null;
  readonly reached: boolean | null;
}

/** What a benchmark returns: a table for people and figures for programs. */
export interface BenchResult {
  readonly bench: string;
  readonly machine: { readonly cpus: number; readonly memoryGiB: number; readonly node: string };
  /** Rows of one shape; the keys of the first are the titles. */
  readonly rows: readonly Readonly<Record<string, string | number>>[];
  readonly figures: Readonly<Record<string, Figure>>;
}
