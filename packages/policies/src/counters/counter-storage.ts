import { randomFillSync } from "node:crypto";

/*
 * Memory of the counters: a SharedArrayBuffer of 32-bit words.
 *
 *   header  magic, layout, buckets (a power of two), 8 words of seed, evictions, entries claimed, 3 spare
 *   locks   one word per bucket: 0 free, else the second (since 1970) in which it was taken
 *   entries `slotsPerBucket` per bucket, each: tag (0: free), count, second from which it may be forgotten, spare
 */

const magic = 0x64_62_63_31;
const layout = 1;
const headerWords = 16;
const seedWord = 3;
const seedWords = 8;

export const slotsPerBucket = 8;
export const wordsPerEntry = 4;
export const entryWord = { tag: 0, count: 1, endSecond: 2 } as const;
export const headerWord = { evictions: 11, claimed: 12 } as const;

export const defaultCounterEntries = 65_536;
const mostEntries = 16_777_216;

/** Where things are in a storage. */
export interface CounterLayout {
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Of the hash of subjects: nobody outside can choose subjects that share a counter. */
  readonly seed: Buffer;
  readonly buckets: number;
  readonly firstLock: number;
  readonly firstEntry: number;
}

/**
 * Memory for at least `entries` counters, 16 bytes and a bit each. One gateway makes one and gives it to all its threads;
 * it outlives each of them.
 */
export function createCounterStorage(entries: number = defaultCounterEntries): SharedArrayBuffer {
  if (!Number.isInteger(entries) || entries < 1 || entries > mostEntries) {
    throw new RangeError(`counters: from 1 to ${mostEntries} entries`);
  }
  const buckets = bucketsFor(entries);
  const words = headerWords + buckets + buckets * slotsPerBucket * wordsPerEntry;
  const storage = new SharedArrayBuffer(words * 4);
  const header = new Int32Array(storage, 0, headerWords);
  header[0] = magic;
  header[1] = layout;
  header[2] = buckets;
  const seed = new Uint8Array(storage, seedWord * 4, seedWords * 4);
  seed.set(randomFillSync(new Uint8Array(seedWords * 4)));
  return storage;
}

function bucketsFor(entries: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, entries / slotsPerBucket)));
}

/** @throws RangeError if it was not made by createCounterStorage */
export function layoutOf(storage: SharedArrayBuffer): CounterLayout {
  const words = new Int32Array(storage);
  const buckets = words[2] ?? 0;
  const expected = headerWords + buckets + buckets * slotsPerBucket * wordsPerEntry;
  if (words[0] !== magic || words[1] !== layout || words.length !== expected || buckets < 1) {
    throw new RangeError("counters: not a storage of this layout");
  }
  return {
    words,
    seed: Buffer.from(Uint8Array.from(new Uint8Array(storage, seedWord * 4, seedWords * 4))),
    buckets,
    firstLock: headerWords,
    firstEntry: headerWords + buckets,
  };
}

/**
 * A storage for `entries` counters with the counts in `saved`, bytes of an earlier one, so that long windows outlive a
 * process; undefined if they are of another size or layout.
 */
export function restoreCounterStorage(saved: Uint8Array, entries: number): SharedArrayBuffer | undefined {
  if (saved.byteLength % 4 !== 0 || saved.byteLength < headerWords * 4) return undefined;
  const storage = new SharedArrayBuffer(saved.byteLength);
  new Uint8Array(storage).set(saved);
  try {
    const { words, firstLock, firstEntry, buckets } = layoutOf(storage);
    if (buckets !== bucketsFor(entries)) return undefined;
    // A lock that was held when the bytes were copied is nobody's now.
    words.fill(0, firstLock, firstEntry);
    return storage;
  } catch {
    return undefined;
  }
}
