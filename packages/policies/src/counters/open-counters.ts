import { hash } from "node:crypto";
import { layoutOf } from "./counter-storage.ts";
import { CounterTable } from "./counter-table.ts";
import type { Counter, CounterState, SharedCounters } from "./shared-counters.ts";

/** Hashes of subjects seen lately are kept: SHA-256 costs more than counting does. */
const mostHashed = 16_384;
/** Longer subjects (a header chosen as key) are hashed but not kept. */
const longestKept = 128;

export interface OpenedCounters extends SharedCounters {
  /** Counts that were forgotten because there was no room. Grows: make the storage larger. */
  readonly evictions: () => number;
}

/** The counters in `storage` as this thread sees them; `nowMs` is the wall clock. */
export function openCounters(storage: SharedArrayBuffer, nowMs: () => number): OpenedCounters {
  const layout = layoutOf(storage);
  const table = new CounterTable(layout, nowMs);
  const seed = layout.seed.toString("base64url");
  const hashes = new Map<string, SubjectHash>();
  const hashOf = (subject: string): SubjectHash => {
    const known = hashes.get(subject);
    if (known !== undefined) return known;
    const made = digest(`${seed}\0${subject}`);
    if (subject.length <= longestKept) {
      if (hashes.size >= mostHashed) hashes.clear();
      hashes.set(subject, made);
    }
    return made;
  };
  return {
    evictions: () => table.evictions,
    counter(name): Counter {
      const own = digest(`${seed}\0counter\0${name}`);
      return {
        take(subject, window, limit, keepUntilMs): CounterState {
          const hashed = hashOf(subject);
          const taken = table.take(bucketHash(hashed, own, window), tagOf(hashed, own, window), limit, keepUntilMs);
          return taken > 0 ? { isAllowed: true, count: taken } : { isAllowed: false, count: -1 - taken };
        },
        read(subject, window) {
          const hashed = hashOf(subject);
          return table.read(bucketHash(hashed, own, window), tagOf(hashed, own, window));
        },
      };
    },
  };
}

interface SubjectHash {
  readonly high: number;
  readonly low: number;
}

function digest(text: string): SubjectHash {
  const bytes = hash("sha256", text, "buffer");
  return { high: bytes.readInt32LE(0), low: bytes.readInt32LE(4) };
}

function bucketHash(subject: SubjectHash, counter: SubjectHash, window: number): number {
  return mix(mix(subject.high ^ counter.high) + (window | 0));
}

/** Never 0, which marks a free entry. */
function tagOf(subject: SubjectHash, counter: SubjectHash, window: number): number {
  const tag = mix(mix(subject.low ^ counter.low) ^ mix(window | 0));
  return tag === 0 ? 1 : tag;
}

/** Spreads 32 bits over 32 bits, one to one (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85_eb_ca_6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2_b2_ae_35);
  return mixed ^ (mixed >>> 16);
}
