/** Texts of a message, which are only made when somebody asks: whoever passes a batch on needs none of them. */
export interface StringTable {
  readonly length: number;
  /** What the texts are in, from `beginOf` to `endOf`, as UTF-8. */
  readonly bytes: Buffer;
  beginOf(index: number): number;
  endOf(index: number): number;
  /** Of the text in UTF-8, and so at least its length in UTF-16. */
  byteLengthOf(index: number): number;
  textOf(index: number): string;
}

/** A RequestBatch without the field `strings`, and that field. */
interface SplitBatch {
  readonly rest: Uint8Array;
  readonly strings: StringTable;
}

/** Tag of the field `strings` (request_batch.proto). */
const stringsTag = (6 << 3) | 2;
const mostVarintBytes = 10;

/**
 * Takes the table of texts out of a message, which is most of its fields: the rest is decoded as the contract has it.
 *
 * @returns undefined if the bytes are no message of fields one after the other
 */
export function splitStrings(bytes: Uint8Array): SplitBatch | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const walk: Walk = { buffer, at: 0 };
  const bounds: number[] = [];
  const others: Uint8Array[] = [];
  let otherFrom = 0;
  while (walk.at < buffer.length) {
    const from = walk.at;
    const tag = readVarint(walk);
    const end = endOfField(walk, tag);
    if (end === undefined || end > buffer.length) return undefined;
    if (tag === stringsTag) {
      if (otherFrom < from) others.push(buffer.subarray(otherFrom, from));
      bounds.push(walk.at, end);
      otherFrom = end;
    }
    walk.at = end;
  }
  if (otherFrom < buffer.length) others.push(buffer.subarray(otherFrom));
  return { rest: Buffer.concat(others), strings: tableOf(buffer, bounds) };
}

/** Of a batch without texts: the empty one. */
export const noStrings: StringTable = tableOf(Buffer.alloc(0), [0, 0]);

function tableOf(buffer: Buffer, bounds: readonly number[]): StringTable {
  const boundOf = (place: number): number => bounds[place] ?? 0;
  return {
    length: bounds.length / 2,
    bytes: buffer,
    beginOf: (index) => boundOf(2 * index),
    endOf: (index) => boundOf(2 * index + 1),
    byteLengthOf: (index) => boundOf(2 * index + 1) - boundOf(2 * index),
    textOf: (index) => buffer.toString("utf8", boundOf(2 * index), boundOf(2 * index + 1)),
  };
}

interface Walk {
  readonly buffer: Buffer;
  at: number;
}

/** @returns NaN if there is none */
function readVarint(walk: Walk): number {
  const first = walk.buffer[walk.at];
  if (first !== undefined && first < 128) {
    walk.at += 1;
    return first; // nearly all of them
  }
  let value = 0;
  for (let index = 0; index < mostVarintBytes; index += 1) {
    const byte = walk.buffer[walk.at];
    if (byte === undefined) return Number.NaN;
    walk.at += 1;
    value += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) return value;
  }
  return Number.NaN;
}

/** Where the field ends whose tag was read; `walk` is at its content then. */
function endOfField(walk: Walk, tag: number): number | undefined {
  if (!(tag > 7)) return undefined; // no number, or none at all
  const wireType = tag % 8;
  if (wireType === 1) return walk.at + 8;
  if (wireType === 5) return walk.at + 4;
  if (wireType !== 0 && wireType !== 2) return undefined; // groups, which nobody sends
  const value = readVarint(walk);
  if (Number.isNaN(value)) return undefined;
  return wireType === 2 ? walk.at + value : walk.at;
}
