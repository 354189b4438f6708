import {
  entryWord,
  headerWord,
  layoutOf,
  slotsPerBucket,
  wordsPerEntry,
  type CounterLayout,
} from "./counter-storage.ts";
import { CounterTable } from "./counter-table.ts";
import { readLedger, writeLedger } from "./ledger-bytes.ts";

/*
 * What the gateways of a fabric tell each other of their counters. Each gateway's own count of a counter only grows while
 * the counter's window lasts, and is told whole, never as a difference: the larger one that was heard from a gateway counts.
 * So it does not matter in which order, how often and by whom a count is told, and what was lost is mended by the next one.
 *
 * Invariants:
 *   - An entry's count is what was counted here plus `elsewhere`; `elsewhere` is the sum of what was heard from each gateway.
 *   - `elsewhere` grows by the ledger alone, under the bucket's lock; whoever makes an entry anew sets it to 0. Where it is not
 *     the sum any more, the entry was given away in between, and what was heard belongs to an earlier one.
 *   - Requests know nothing of it: they count in `count`, with what others counted in it.
 */

/** A counter that is told: bucket, tag, second from which it may be forgotten, count. */
export const wordsPerShare = 4;
const sharesPerPart = 4_096;
/** Ids of gateways are used again; a fabric has fewer. */
const mostOrigins = 32;
/** No limit is higher; a peer that says so is wrong. */
export const highestCount = 1_000_000_000;
const highestTotal = 2_000_000_000;
/** The longest window is a month of 31 days. */
const longestSeconds = 33 * 86_400;

export interface CounterPart {
  /** Gateway that counted. */
  readonly origin: string;
  /** `wordsPerShare` words each. */
  readonly shares: Int32Array;
}

export class CounterLedger {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #layout: CounterLayout;
  readonly #table: CounterTable;
  readonly #own: string;
  readonly #nowMs: () => number;
  /** By entry: what was heard from each gateway. */
  readonly #heard: Map<string, Int32Array>;
  /** By entry: what was told last. */
  readonly #toldTags: Int32Array;
  readonly #toldCounts: Int32Array;
  #next = 0;

  /** `saved`: bytes of an earlier process, from which `storage` was restored. */
  constructor(
    storage: SharedArrayBuffer,
    { own, nowMs, saved }: { readonly own: string; readonly nowMs: () => number; readonly saved?: Uint8Array },
  ) {
    this.#layout = layoutOf(storage);
    this.#words = this.#layout.words;
    this.#table = new CounterTable(this.#layout, nowMs);
    this.#own = own;
    this.#nowMs = nowMs;
    this.#toldTags = new Int32Array(this.entries);
    this.#toldCounts = new Int32Array(this.entries);
    this.#heard = readLedger(saved?.subarray(storage.byteLength), this.entries, mostOrigins);
    this.#heard.delete(own);
  }

  get entries(): number {
    return this.#layout.buckets * slotsPerBucket;
  }

  get buckets(): number {
    return this.#layout.buckets;
  }

  /** Counts of others for which there was no room, since the storage was made. */
  get leftOut(): number {
    return Atomics.load(this.#words, headerWord.leftOut);
  }

  /** What was counted here and not told yet, of the next `most` entries. */
  changes(most: number): Int32Array {
    const shares: number[] = [];
    const nowSecond = this.#nowSecond();
    const [words, toldTags, toldCounts, { entries }] = [this.#words, this.#toldTags, this.#toldCounts, this];
    let entry = this.#next;
    for (let looked = Math.min(most, entries); looked > 0; looked -= 1, entry = entry + 1 === entries ? 0 : entry + 1) {
      const slot = this.#slot(entry);
      const tag = words[slot] ?? 0;
      if (tag === 0) continue;
      // Most have not changed: a plain look, which at worst is a moment old, says so for a fraction of the price.
      const seen = (words[slot + entryWord.count] ?? 0) - (words[slot + entryWord.elsewhere] ?? 0);
      if (seen === toldCounts[entry] && tag === toldTags[entry]) continue;
      const count = this.#countedHere(slot, tag);
      toldTags[entry] = tag;
      toldCounts[entry] = count;
      this.#push(shares, { entry, tag, count, nowSecond });
    }
    this.#next = entry;
    return Int32Array.from(shares);
  }

  /** Everything that is known, by gateway: for one that was away. */
  *everything(): Iterable<CounterPart> {
    for (const origin of [this.#own, ...this.#heard.keys()]) {
      const heard = this.#heard.get(origin);
      let shares: number[] = [];
      const nowSecond = this.#nowSecond();
      for (let entry = 0; entry < this.entries; entry += 1) {
        const slot = this.#slot(entry);
        const tag = this.#words[slot] ?? 0;
        if (tag === 0) continue;
        const count = heard === undefined ? this.#countedHere(slot, tag) : this.#heardAt(heard, entry);
        this.#push(shares, { entry, tag, count, nowSecond });
        if (shares.length < sharesPerPart * wordsPerShare) continue;
        yield { origin, shares: Int32Array.from(shares) };
        shares = [];
      }
      if (shares.length > 0) yield { origin, shares: Int32Array.from(shares) };
    }
  }

  /** Take over what a gateway counted: the larger of what is known and what is said. */
  merge({ origin, shares }: CounterPart): void {
    const heard = origin === this.#own ? undefined : this.#heardFrom(origin);
    if (origin !== this.#own && heard === undefined) return this.#leaveOut(shares.length / wordsPerShare);
    const nowSecond = this.#nowSecond();
    for (let at = 0; at + wordsPerShare <= shares.length; at += wordsPerShare) {
      const [bucket = 0, tag = 0, endSecond = 0, count = 0] = shares.subarray(at, at + wordsPerShare);
      if (endSecond <= nowSecond || endSecond > nowSecond + longestSeconds) continue;
      const hasRoom = this.#table.withEntry(bucket, tag, endSecond, (slot) => {
        if (heard === undefined) this.#recall(slot, count);
        else this.#hear(slot, heard, count);
      });
      if (!hasRoom) this.#leaveOut(1);
    }
  }

  /** What `saved` of the next process will be, after the bytes of the storage. */
  bytes(): Uint8Array {
    for (let entry = 0; entry < this.entries; entry += 1) {
      if (this.#isStale(entry)) for (const heard of this.#heard.values()) heard[entry] = 0;
    }
    return writeLedger(this.#heard);
  }

  /** What a gateway says of this one's earlier life: it had counted that before it was killed. */
  #recall(slot: number, count: number): void {
    const words = this.#words;
    const total = Atomics.load(words, slot + entryWord.count);
    const here = total - Atomics.load(words, slot + entryWord.elsewhere);
    const missing = Math.min(count - here, highestTotal - total);
    if (missing > 0) Atomics.add(words, slot + entryWord.count, missing);
  }

  #hear(slot: number, heard: Int32Array, count: number): void {
    const words = this.#words;
    const entry = (slot - this.#layout.firstEntry) / wordsPerEntry;
    if (this.#isStale(entry)) {
      for (const other of this.#heard.values()) other[entry] = 0;
      Atomics.sub(words, slot + entryWord.count, Atomics.load(words, slot + entryWord.elsewhere));
      Atomics.store(words, slot + entryWord.elsewhere, 0);
    }
    const known = heard[entry] ?? 0;
    const news = Math.min(count - known, highestTotal - Atomics.load(words, slot + entryWord.count));
    if (news <= 0) return;
    heard[entry] = known + news;
    Atomics.add(words, slot + entryWord.elsewhere, news);
    Atomics.add(words, slot + entryWord.count, news);
  }

  #isStale(entry: number): boolean {
    let sum = 0;
    for (const heard of this.#heard.values()) sum += heard[entry] ?? 0;
    return sum !== Atomics.load(this.#words, this.#slot(entry) + entryWord.elsewhere);
  }

  #heardAt(heard: Int32Array, entry: number): number {
    return this.#isStale(entry) ? 0 : (heard[entry] ?? 0);
  }

  #heardFrom(origin: string): Int32Array | undefined {
    const known = this.#heard.get(origin);
    if (known !== undefined || this.#heard.size >= mostOrigins) return known;
    const heard = new Int32Array(this.entries);
    this.#heard.set(origin, heard);
    return heard;
  }

  /** 0 if the entry was given away meanwhile. */
  #countedHere(slot: number, tag: number): number {
    const words = this.#words;
    const count = Atomics.load(words, slot + entryWord.count) - Atomics.load(words, slot + entryWord.elsewhere);
    return Atomics.load(words, slot) === tag ? Math.max(0, count) : 0;
  }

  #push(
    shares: number[],
    about: { readonly entry: number; readonly tag: number; readonly count: number; readonly nowSecond: number },
  ): void {
    const endSecond = Atomics.load(this.#words, this.#slot(about.entry) + entryWord.endSecond);
    if (about.count < 1 || endSecond <= about.nowSecond) return;
    const bucket = Math.floor(about.entry / slotsPerBucket);
    shares.push(bucket, about.tag, endSecond, Math.min(about.count, highestCount));
  }

  #slot(entry: number): number {
    return this.#layout.firstEntry + entry * wordsPerEntry;
  }

  #leaveOut(counts: number): void {
    Atomics.add(this.#words, headerWord.leftOut, counts);
  }

  #nowSecond(): number {
    return Math.floor(this.#nowMs() / 1_000);
  }
}
