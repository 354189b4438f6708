/** Numbers of batches that are known, as ranges: a gateway numbers its batches one after the other, so they are few. */
interface Range {
  first: bigint;
  last: bigint;
}

/** Holes that are remembered of one numbering; of more, the lowest are taken for known. */
const mostRanges = 4_096;

export class BatchRanges {
  /** In rising order; no two touch each other. */
  readonly #ranges: Range[] = [];

  get count(): number {
    return this.#ranges.length;
  }

  has(sequence: bigint): boolean {
    const range = this.#ranges[this.#indexFrom(sequence)];
    return range !== undefined && range.first <= sequence;
  }

  /** @param last default: `first` alone */
  add(first: bigint, last: bigint = first): void {
    const ranges = this.#ranges;
    // The first one that the new one overlaps or touches, and how many do.
    const from = this.#indexFrom(first - 1n);
    let to = from;
    const joined: Range = { first, last };
    for (let next = ranges[to]; next !== undefined && next.first <= last + 1n; next = ranges[to]) {
      if (next.first < joined.first) joined.first = next.first;
      if (next.last > joined.last) joined.last = next.last;
      to += 1;
    }
    ranges.splice(from, to - from, joined);
    const [lowest, second] = ranges;
    if (ranges.length > mostRanges && lowest !== undefined && second !== undefined) {
      ranges.splice(0, 2, { first: lowest.first, last: second.last });
    }
  }

  delete(sequence: bigint): void {
    const index = this.#indexFrom(sequence);
    const range = this.#ranges[index];
    if (range === undefined || range.first > sequence) return;
    const left: Range[] = [];
    if (range.first < sequence) left.push({ first: range.first, last: sequence - 1n });
    if (range.last > sequence) left.push({ first: sequence + 1n, last: range.last });
    this.#ranges.splice(index, 1, ...left);
  }

  /** Of the first range that does not end before `sequence`. */
  #indexFrom(sequence: bigint): number {
    const ranges = this.#ranges;
    const newest = ranges.at(-1);
    // As nearly always: behind everything, or at the newest range's end.
    if (newest === undefined || newest.last < sequence) return ranges.length;
    let low = 0;
    let high = ranges.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ranges[middle]?.last ?? 0n) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
