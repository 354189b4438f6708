import { fstatSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Requests that threads have recorded, ever, or may have: never fewer. */
export interface RecordedCount {
  readonly requests: number;
  /** Milliseconds since the epoch; of those that were in memory when it was written. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** A file of counts that outlives the process, kill -9 too: what was written is the system's then. */
export interface RecordedCounts {
  readonly fd: number;
  /** What earlier processes recorded; `undefined`: nobody knows. */
  readonly before: RecordedCount | undefined;
}

/*
 * Head, then one place for all earlier processes and one for each thread: requests, from, to, as 64-bit floats. Each place has
 * one writer; a write is a call of a few bytes within a page, which is there as a whole or not at all.
 */
const placeBytes = 24;
const head = Buffer.concat([Buffer.from("DRBCNT1\n"), Buffer.alloc(placeBytes - 8)]);
const earlierAt = placeBytes;

/** So many requests a thread counts ahead, that it need not write for each. */
const ahead = 32;
/** A count is no older than a tick. */
const tickMs = 100;

export function openRecordedCounts(path: string, threads: number): RecordedCounts {
  const before = readRecordedCounts(path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(path, before === undefined ? "w+" : "r+", 0o600);
  // Over the places of threads that there are not any more, too.
  const bytes = Buffer.alloc(Math.max(placeAt(threads), fstatSync(fd).size));
  head.copy(bytes);
  encode(bytes.subarray(earlierAt), before ?? { requests: 0, fromMs: 0, toMs: 0 });
  writeSync(fd, bytes, 0, bytes.length, 0);
  return { fd, before };
}

/** What all threads of all processes have recorded; `undefined` without such a file. */
export function readRecordedCounts(path: string): RecordedCount | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return undefined; // none yet, or none that can be read
  }
  if (!bytes.subarray(0, placeBytes).equals(head)) return undefined;
  const places: RecordedCount[] = [];
  for (let at = earlierAt; at + placeBytes <= bytes.length; at += placeBytes) places.push(decode(bytes, at));
  const toMs = Math.max(0, ...places.map((place) => place.toMs));
  const waiting = places.map(({ fromMs }) => fromMs).filter((fromMs) => fromMs > 0);
  return {
    requests: places.reduce((sum, { requests }) => sum + requests, 0),
    fromMs: Math.min(toMs, ...waiting),
    toMs,
  };
}

export function readThreadCount(fd: number, thread: number): RecordedCount {
  const bytes = Buffer.alloc(placeBytes);
  readSync(fd, bytes, 0, placeBytes, placeAt(thread));
  return decode(bytes, 0);
}

/*
 * How many requests one thread has recorded, on the disk before an answer is on its way.
 *
 * Invariant: what the file says is never below the requests that were recorded and those that are under way. It is above
 * by `ahead` at most, and by nothing a tick after the last request.
 */
export class ThreadCount {
  readonly #fd: number;
  readonly #thread: number;
  readonly #place = Buffer.alloc(placeBytes);
  #recorded: number;
  #underWay = 0;
  #written: number;
  #fromMs = 0;
  #nowMs: number;

  constructor(at: { readonly fd: number; readonly thread: number; readonly nowMs: number }) {
    this.#fd = at.fd;
    this.#thread = at.thread;
    this.#nowMs = at.nowMs;
    this.#recorded = readThreadCount(at.fd, at.thread).requests;
    this.#written = this.#recorded;
  }

  /** A request begins that will be recorded. */
  begin(): void {
    this.#underWay += 1;
    this.#keepAhead();
  }

  /** It is over: it is recorded next, or never. */
  end(): void {
    this.#underWay -= 1;
  }

  record(): void {
    this.#recorded += 1;
    this.#keepAhead();
  }

  /** @param waiting requests that were recorded and not sent to the main thread */
  tick(waiting: number, wallMs: number): void {
    this.#nowMs = wallMs;
    const isSettled = waiting + this.#underWay === 0;
    const fromMs = isSettled ? 0 : this.#fromMs || wallMs - tickMs;
    const exact = this.#recorded + this.#underWay;
    if (exact === this.#written && fromMs === this.#fromMs) return;
    this.#fromMs = fromMs;
    this.#write(exact);
  }

  #keepAhead(): void {
    const least = this.#recorded + this.#underWay;
    if (least <= this.#written) return;
    this.#fromMs ||= this.#nowMs;
    this.#write(least + ahead);
  }

  #write(requests: number): void {
    encode(this.#place, { requests, fromMs: this.#fromMs, toMs: this.#nowMs + tickMs });
    this.#written = requests;
    try {
      writeSync(this.#fd, this.#place, 0, placeBytes, placeAt(this.#thread));
    } catch {
      // A disk that fails: what is lost by a kill is not known then. Requests go on.
    }
  }
}

const placeAt = (thread: number): number => earlierAt + (1 + thread) * placeBytes;

function encode(bytes: Buffer, { requests, fromMs, toMs }: RecordedCount): void {
  bytes.writeDoubleLE(requests, 0);
  bytes.writeDoubleLE(fromMs, 8);
  bytes.writeDoubleLE(toMs, 16);
}

function decode(bytes: Buffer, at: number): RecordedCount {
  return { requests: bytes.readDoubleLE(at), fromMs: bytes.readDoubleLE(at + 8), toMs: bytes.readDoubleLE(at + 16) };
}
