import { randomFillSync } from "node:crypto";

/*
 * Memory of the counters: a SharedArrayBuffer of 32-bit words.
 *
 *   header  magic, layout, buckets (a power of two), 8 words of seed, evictions, entries claimed, counts left out, 2 spare
 *   locks   one word per bucket: 0 free, else the second (since 1970) in which it was taken
 *   entries `slotsPerBucket` per bucket, each: tag (0: free), count, second from which it may be forgotten, and how much of
 *           the count other gateways of the fabric counted
 */

const magic = 0x64_62_63_31;
const layout = 1;
const headerWords = 16;
const seedWord = 3;
const seedWords = 8;

export const slotsPerBucket = 8;
export const wordsPerEntry = 4;
export const entryWord = { tag: 0, count: 1, endSecond: 2, elsewhere: 3 } as const;
export const headerWord = { evictions: 11, claimed: 12, leftOut: 13 } as const;

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

export const seedBytes = seedWords * 4;

/**
 * Memory for at least `entries` counters, 16 bytes and a bit each. One gateway makes one and gives it to all its threads;
 * it outlives each of them. Gateways that exchange counts have one seed.
 */
export function createCounterStorage(
  entries: number = defaultCounterEntries,
  seed: Uint8Array = randomFillSync(new Uint8Array(seedBytes)),
): SharedArrayBuffer {
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
  seedOf(storage).set(seed);
  return storage;
}

/** The bytes that hashes of subjects begin with. */
export function seedOf(storage: SharedArrayBuffer): Uint8Array {
  return new Uint8Array(storage, seedWord * 4, seedBytes);
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
    seed: Buffer.from(Uint8Array.from(seedOf(storage))),
    buckets,
    firstLock: headerWords,
    firstEntry: headerWords + buckets,
  };
}

/**
 * A storage for `entries` counters with the counts in `saved`, bytes of an earlier one and whatever follows them, so that long
 * windows outlive a process; undefined if they are of another size, layout or seed.
 */
export function restoreCounterStorage(
  saved: Uint8Array,
  entries: number,
  seed?: Uint8Array,
): SharedArrayBuffer | undefined {
  if (!Number.isInteger(entries) || entries < 1 || entries > mostEntries) return undefined;
  const buckets = bucketsFor(entries);
  const bytes = (headerWords + buckets + buckets * slotsPerBucket * wordsPerEntry) * 4;
  if (saved.byteLength < bytes) return undefined;
  const storage = new SharedArrayBuffer(bytes);
  new Uint8Array(storage).set(saved.subarray(0, bytes));
  try {
    const { words, firstLock, firstEntry } = layoutOf(storage);
    if (seed !== undefined && Buffer.compare(Buffer.from(seedOf(storage)), seed) !== 0) return undefined;
    // A lock that was held when the bytes were copied is nobody's now.
    words.fill(0, firstLock, firstEntry);
    return storage;
  } catch {
    return undefined;
  }
}
