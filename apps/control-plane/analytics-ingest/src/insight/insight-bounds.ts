import { DrawbridgeError } from "@drawbridge/errors";

/** Fields of a message that are counted, by their numbers; `inside`: those of the message in each. */
interface Bounds {
  readonly [fieldNo: number]: { readonly most: number; readonly what: string; readonly inside?: Bounds };
}

const nothingCounted: Bounds = {};
/** A body of 64 KiB has fewer leaves. */
const revealedPaths = 16_384;

const body: Bounds = {
  5: { most: 200, what: "fields of a body", inside: nothingCounted },
  6: { most: revealedPaths, what: "revealed paths of a body" },
};
const exchange: Bounds = {
  18: { most: 100, what: "fields of a query", inside: nothingCounted },
  19: { most: 200, what: "fields of a request's head", inside: nothingCounted },
  20: { most: 1, what: "request body", inside: body },
  21: { most: 200, what: "fields of an answer's head", inside: nothingCounted },
  22: { most: 1, what: "response body", inside: body },
};
/** InsightBatch, insight_batch.proto. */
const batch: Bounds = {
  3: { most: 100, what: "exchanges", inside: exchange },
  4: { most: 100, what: "losses", inside: nothingCounted },
};

interface Cursor {
  readonly bytes: Uint8Array;
  pos: number;
}

/**
 * Refuse an encoded InsightBatch with more in it than a batch has, before anything is made of it: an element takes two bytes
 * on the wire and hundreds in memory. Every message must end with a field of its own, so that decoding sees the same elements.
 * @throws DrawbridgeError `INSIGHT_BATCH_INVALID` (invalid_argument)
 */
export function assertInsightBounds(bytes: Uint8Array): void {
  walk({ bytes, pos: 0 }, bytes.length, batch);
}

function walk(cursor: Cursor, end: number, bounds: Bounds): void {
  const counts = new Map<number, number>();
  while (cursor.pos < end) {
    const tag = readUint32(cursor);
    const fieldNo = tag >>> 3;
    const next = endOfField(cursor, tag & 7);
    if (fieldNo === 0 || next > end) throw malformed();
    const bound = (tag & 7) === lengthDelimited ? bounds[fieldNo] : undefined;
    if (bound !== undefined) {
      const count = (counts.get(fieldNo) ?? 0) + 1;
      if (count > bound.most) throw insightInvalid(`there are at most ${bound.most} ${bound.what}`);
      counts.set(fieldNo, count);
      if (bound.inside !== undefined) walk(cursor, next, bound.inside);
    }
    cursor.pos = next;
  }
}

const lengthDelimited = 2;
const longestVarint = 10;

/** Of a length-delimited field the cursor stands at its content then. */
function endOfField(cursor: Cursor, wireType: number): number {
  switch (wireType) {
    case 0:
      return endOfVarint(cursor);
    case 1:
      return cursor.pos + 8;
    case lengthDelimited: {
      const length = readUint32(cursor);
      return cursor.pos + length;
    }
    case 5:
      return cursor.pos + 4;
    default:
      throw malformed(); // groups: there are none in the contract
  }
}

function endOfVarint({ bytes, pos }: Cursor): number {
  for (let length = 1; length <= longestVarint; length += 1) {
    if ((bytes[pos + length - 1] ?? 0) < 128) return pos + length;
  }
  throw malformed();
}

function readUint32(cursor: Cursor): number {
  const end = endOfVarint(cursor);
  let value = 0;
  for (let place = 1; cursor.pos < end; cursor.pos += 1, place *= 128) {
    value += ((cursor.bytes[cursor.pos] ?? 0) & 127) * place;
  }
  if (value > 0xffff_ffff) throw malformed();
  return value;
}

function malformed(): DrawbridgeError {
  return insightInvalid("it is no InsightBatch");
}

export function insightInvalid(message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "INSIGHT_BATCH_INVALID",
    message: `a batch of exchanges is not valid: ${message}`,
    cause,
  });
}
