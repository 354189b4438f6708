import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
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

/**
 * Refuse an encoded InsightBatch with more in it than a batch has, before anything is made of it: an element takes two bytes
 * on the wire and hundreds in memory. Every message must end with a field of its own, so that decoding sees the same elements.
 * @throws DrawbridgeError `INSIGHT_BATCH_INVALID` (invalid_argument)
 */
export function assertInsightBounds(bytes: Uint8Array): void {
  try {
    walk(new BinaryReader(bytes), bytes.length, batch);
  } catch (error) {
    throw error instanceof DrawbridgeError ? error : malformed(error); // what the reader says of a varint or a tag that is none
  }
}

function walk(reader: BinaryReader, end: number, bounds: Bounds): void {
  const counts = new Map<number, number>();
  while (reader.pos < end) {
    const [fieldNo, wireType] = reader.tag();
    const next = endOfField(reader, wireType);
    if (next > end) throw malformed();
    const bound = wireType === WireType.LengthDelimited ? bounds[fieldNo] : undefined;
    if (bound !== undefined) {
      const count = (counts.get(fieldNo) ?? 0) + 1;
      if (count > bound.most) throw insightInvalid(`there are at most ${bound.most} ${bound.what}`);
      counts.set(fieldNo, count);
      if (bound.inside !== undefined) walk(reader, next, bound.inside);
    }
    reader.pos = next;
  }
}

/** Of a length-delimited field the reader stands at its content then. */
function endOfField(reader: BinaryReader, wireType: WireType): number {
  switch (wireType) {
    case WireType.LengthDelimited: {
      const length = reader.uint32();
      return reader.pos + length;
    }
    case WireType.StartGroup:
    case WireType.EndGroup:
      throw malformed(); // there are none in the contract
    case WireType.Varint:
    case WireType.Bit32:
    case WireType.Bit64:
      reader.skip(wireType);
      return reader.pos;
  }
}

function malformed(cause?: unknown): DrawbridgeError {
  return insightInvalid("it is no InsightBatch", cause);
}

export function insightInvalid(message: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "INSIGHT_BATCH_INVALID",
    message: `a batch of exchanges is not valid: ${message}`,
    cause,
  });
}
