import { randomBytes } from "node:crypto";

/*
 * What all threads of a gateway know of its analytics, in shared memory.
 *
 * Invariants: the key of a day is there before the day begins and is written over soon after it has ended; it is random, and
 * nowhere but here. Bytes on the way are added by whoever sends and taken off by the main thread alone.
 */
const bytesOnTheWayAt = 0;
const flushEveryMsAt = 1;
const daysAt = 2; // of the two keys
const keysOffset = 16;
const keyBytes = 32;
const boardBytes = keysOffset + 2 * keyBytes;
const dayMs = 86_400_000;
/** By then every thread uses the key of the day. */
const keptAfterDayMs = 5 * 60_000;
const shortestFlushMs = 1_000;
const longestFlushMs = 60_000;

export class AnalyticsBoard {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(boardBytes)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, keysOffset / 4);
    this.#bytes = new Uint8Array(memory);
  }

  /** Bytes of batches that threads have sent and that are not on the disk yet. */
  get bytesOnTheWay(): number {
    return Atomics.load(this.#words, bytesOnTheWayAt);
  }

  addBytes(count: number): void {
    Atomics.add(this.#words, bytesOnTheWayAt, count);
  }

  /** So long a thread collects requests, unless a batch is full before. */
  get flushEveryMs(): number {
    return Math.max(shortestFlushMs, Atomics.load(this.#words, flushEveryMsAt));
  }

  set flushEveryMs(ms: number) {
    Atomics.store(this.#words, flushEveryMsAt, Math.min(Math.max(Math.trunc(ms), shortestFlushMs), longestFlushMs));
  }

  /** Copy the key of the UTC day for hashed addresses. */
  readKey(nowMs: number, into: Uint8Array): void {
    const offset = keysOffset + (dayOf(nowMs) % 2) * keyBytes;
    into.set(this.#bytes.subarray(offset, offset + keyBytes));
  }

  /** Called now and then, by the main thread alone. */
  renewKeys(nowMs: number): void {
    const day = dayOf(nowMs);
    this.#ensureKey(day);
    if (nowMs - day * dayMs >= keptAfterDayMs) this.#ensureKey(day + 1);
  }

  #ensureKey(day: number): void {
    const slot = day % 2;
    if (Atomics.load(this.#words, daysAt + slot) === day) return;
    this.#bytes.set(randomBytes(keyBytes), keysOffset + slot * keyBytes);
    Atomics.store(this.#words, daysAt + slot, day);
  }
}

/** UTC days since 1970. */
export function dayOf(nowMs: number): number {
  return Math.floor(nowMs / dayMs);
}

export const addressKeyBytes = keyBytes;
