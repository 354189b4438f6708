import { entryWord, headerWord, slotsPerBucket, wordsPerEntry, type CounterLayout } from "./counter-storage.ts";

/*
 * Invariants:
 *   - An entry belongs to one (subject of a counter, window), named by its tag in its bucket.
 *   - A tag is written only by the holder of the bucket's lock, and a tag is at most once in a bucket. So two threads never
 *     count one thing in two places.
 *   - Counting takes no lock: compare-and-exchange on the count, then another look at the tag. If the entry was given away
 *     in between, what was added is taken back and counting starts again.
 *   - When a bucket is full of counts that still matter, the one that ends first is forgotten: a limit becomes looser for
 *     its subject, never tighter for another.
 *   - A thread that is killed while it holds a lock stops nobody for longer than `staleLockSeconds`.
 */

const staleLockSeconds = 2;
const noSlot = -1;

/** Open addressing with a fixed number of slots per bucket, exact across threads. */
export class CounterTable {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #firstLock: number;
  readonly #firstEntry: number;
  readonly #bucketMask: number;
  readonly #nowMs: () => number;

  constructor({ words, firstLock, firstEntry, buckets }: CounterLayout, nowMs: () => number) {
    this.#words = words;
    this.#firstLock = firstLock;
    this.#firstEntry = firstEntry;
    this.#bucketMask = buckets - 1;
    this.#nowMs = nowMs;
  }

  /** Entries that were given away while they mattered, since the storage was made. */
  get evictions(): number {
    return Atomics.load(this.#words, headerWord.evictions);
  }

  /** What is counted under `tag`; 0 if nothing. */
  read(bucketHash: number, tag: number): number {
    const slot = this.#find(bucketHash & this.#bucketMask, tag);
    return slot === noSlot ? 0 : Atomics.load(this.#words, slot + entryWord.count);
  }

  /** Count one unless `limit` are counted. Returns what is counted then, or -1 - that if it was not allowed. */
  take(bucketHash: number, tag: number, limit: number, keepUntilMs: number): number {
    const words = this.#words;
    const bucket = bucketHash & this.#bucketMask;
    for (;;) {
      let slot = this.#find(bucket, tag);
      if (slot === noSlot) {
        if (limit < 1) return -1;
        slot = this.#claim(bucket, tag, keepUntilMs);
      }
      const count = Atomics.load(words, slot + entryWord.count);
      if (count >= limit) {
        if (Atomics.load(words, slot) === tag) return -1 - count;
      } else if (Atomics.compareExchange(words, slot + entryWord.count, count, count + 1) === count) {
        if (Atomics.load(words, slot) === tag) return count + 1;
        Atomics.sub(words, slot + entryWord.count, 1);
      }
    }
  }

  #find(bucket: number, tag: number): number {
    const words = this.#words;
    const first = this.#firstEntry + bucket * slotsPerBucket * wordsPerEntry;
    for (let slot = first; slot < first + slotsPerBucket * wordsPerEntry; slot += wordsPerEntry) {
      if (Atomics.load(words, slot) === tag) return slot;
    }
    return noSlot;
  }

  /** An entry for `tag`, made or found. */
  #claim(bucket: number, tag: number, keepUntilMs: number): number {
    const words = this.#words;
    const lock = this.#firstLock + bucket;
    this.#lock(lock);
    try {
      const found = this.#find(bucket, tag);
      if (found !== noSlot) return found;
      const slot = this.#reusable(bucket, "forget_one");
      this.#begin(slot, tag, Math.ceil(keepUntilMs / 1_000));
      return slot;
    } finally {
      Atomics.store(words, lock, 0);
    }
  }

  /**
   * Use the entry of `tag` while nobody can give it away; made if there is none, but never in place of one that matters.
   * False: there is no room.
   */
  withEntry(bucket: number, tag: number, endSecond: number, use: (slot: number) => void): boolean {
    const lock = this.#firstLock + bucket;
    this.#lock(lock);
    try {
      let slot = this.#find(bucket, tag);
      if (slot === noSlot) {
        slot = this.#reusable(bucket, "forget_none");
        if (slot === noSlot) return false;
        this.#begin(slot, tag, endSecond);
      }
      use(slot);
      return true;
    } finally {
      Atomics.store(this.#words, lock, 0);
    }
  }

  /** In this order, so that nobody counts in what is half made: no tag, no count, then the new owner. */
  #begin(slot: number, tag: number, endSecond: number): void {
    const words = this.#words;
    Atomics.store(words, slot + entryWord.tag, 0);
    Atomics.store(words, slot + entryWord.count, 0);
    Atomics.store(words, slot + entryWord.elsewhere, 0);
    Atomics.store(words, slot + entryWord.endSecond, endSecond | 0);
    Atomics.store(words, slot + entryWord.tag, tag);
  }

  /** A free entry, else one that has ended, else the one that ends first, if it may be forgotten. */
  #reusable(bucket: number, full: "forget_one" | "forget_none"): number {
    const words = this.#words;
    const nowSecond = this.#nowSecond();
    const first = this.#firstEntry + bucket * slotsPerBucket * wordsPerEntry;
    let best = first;
    let bestEnd = Number.POSITIVE_INFINITY;
    for (let slot = first; slot < first + slotsPerBucket * wordsPerEntry; slot += wordsPerEntry) {
      if (Atomics.load(words, slot) === 0) {
        Atomics.add(words, headerWord.claimed, 1);
        return slot;
      }
      const end = Atomics.load(words, slot + entryWord.endSecond) >>> 0;
      if (end < bestEnd) {
        best = slot;
        bestEnd = end;
      }
    }
    if (bestEnd > nowSecond) {
      if (full === "forget_none") return noSlot;
      Atomics.add(words, headerWord.evictions, 1);
    }
    return best;
  }

  /** Held for well under a microsecond, and only when an entry is made. */
  #lock(lock: number): void {
    const words = this.#words;
    for (let tries = 1; ; tries += 1) {
      const nowSecond = this.#nowSecond() | 0;
      const holder = Atomics.compareExchange(words, lock, 0, nowSecond);
      if (holder === 0) return;
      const age = nowSecond - holder;
      if (
        (age > staleLockSeconds || age < -staleLockSeconds) &&
        Atomics.compareExchange(words, lock, holder, nowSecond) === holder
      ) {
        return;
      }
      // The holder may have lost its core: let it have this one for a moment.
      if (tries % 64 === 0) Atomics.wait(words, lock, holder, 1);
    }
  }

  #nowSecond(): number {
    return Math.floor(this.#nowMs() / 1_000);
  }
}
