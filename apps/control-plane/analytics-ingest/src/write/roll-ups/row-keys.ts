import type { RequestBlock } from "../request-block.ts";
import type { RowKey } from "./row-groups.ts";

/** When requests came, as steps from the first of them. */
export interface RowTimes extends RowKey {
  readonly stepMs: number;
  /** The first step, counted from 1970. */
  readonly first: number;
}

const twoTo32 = 4_294_967_296;

/** @param halves milliseconds: the low half, the high one, and so on */
export function timesOf(halves: Uint32Array, stepMs: number): RowTimes {
  const rows = halves.length / 2;
  const steps = new Uint32Array(rows);
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (let row = 0; row < rows; row += 1) {
    const step = Math.floor(((halves[2 * row + 1] ?? 0) * twoTo32 + (halves[2 * row] ?? 0)) / stepMs);
    steps[row] = step;
    if (step < first) first = step;
    if (step > last) last = step;
  }
  if (rows === 0) first = 0;
  for (let row = 0; row < rows; row += 1) steps[row] = (steps[row] ?? 0) - first;
  return { ids: steps, limit: last - first + 1, stepMs, first };
}

/** The same in steps as wide as so many of them, a power of two. */
export function widerTimes({ ids, limit, stepMs, first }: RowTimes, times: number): RowTimes {
  const begin = Math.floor(first / times);
  const offset = first - begin * times;
  const shift = Math.log2(times);
  const wider = new Uint32Array(ids.length);
  for (let row = 0; row < wider.length; row += 1) wider[row] = ((ids[row] ?? 0) + offset) >>> shift;
  return { ids: wider, limit: ((limit - 1 + offset) >>> shift) + 1, stepMs: stepMs * times, first: begin };
}

/** The begins of some rows' steps, in seconds. */
export function secondsOf({ ids, stepMs, first }: RowTimes, rows: Uint32Array): Uint32Array<ArrayBuffer> {
  const seconds = new Uint32Array(rows.length);
  for (let index = 0; index < rows.length; index += 1) {
    seconds[index] = ((first + (ids[rows[index] ?? 0] ?? 0)) * stepMs) / 1_000;
  }
  return seconds;
}

/** '1xx' to '5xx', and 'none' where the client left before an answer. */
export const statusClasses = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** Each row's place in `statusClasses`. */
export function statusClassesOf(statusCodes: Uint16Array): RowKey {
  const ids = new Uint32Array(statusCodes.length);
  for (let row = 0; row < ids.length; row += 1) {
    const digit = Math.trunc((statusCodes[row] ?? 0) / 100);
    ids[row] = digit < statusClasses.length ? digit : 0;
  }
  return { ids, limit: statusClasses.length };
}

/** Of a single-precision number's bits, those that are left out: sign and exponent stay, and five bits of what follows. */
const leftOutBits = 18;

/**
 * Latencies in 32 steps between each power of two and the next, so that a step is 3.1 % wide at most: its number is the first
 * bits of the latency as a single-precision number, which the store finds as cheaply (query/tables.ts).
 */
export function latencyStepsOf(latenciesUs: Uint32Array): RowKey {
  const ids = new Uint32Array(latenciesUs.length);
  const bits = new Uint32Array(new Float32Array(latenciesUs).buffer);
  for (let row = 0; row < ids.length; row += 1) ids[row] = (bits[row] ?? 0) >>> leftOutBits;
  return { ids, limit: latencySteps };
}

/** Of 2^32 microseconds and less. */
const latencySteps = (new Uint32Array(Float32Array.of(twoTo32).buffer)[0] ?? 0) / 2 ** leftOutBits + 1;

export function namesOf(column: RequestBlock["columns"]["api"]): RowKey {
  return { ids: column.ids, limit: column.keyCount };
}

export function numbersOf(values: Uint8Array): RowKey {
  let largest = 0;
  for (const value of values) if (value > largest) largest = value;
  return { ids: new Uint32Array(values), limit: largest + 1 };
}
