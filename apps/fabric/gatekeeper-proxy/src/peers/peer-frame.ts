import { DrawbridgeError } from "@drawbridge/errors";
import { highestCount, wordsPerShare, type CounterPart } from "@drawbridge/policies";

/*
 * What one gateway says to another, over a stream: frames of a length (4 bytes, little-endian), a kind (1 byte) and
 *   hello     JSON of `PeerHello`; first, and once
 *   counts    length of the origin's name (1), name, instant of the look before (8, milliseconds since 1970; 0: does not say),
 *             then 16 bytes for each counter: bucket, tag, second from which it may be forgotten, count
 *   complete  nothing: all that was known at the hello was told
 * Who is dialled only listens. What is not of this form is not read on: PEER_FRAME_INVALID.
 */

export interface PeerHello {
  readonly gatewayId: string;
  /** Counters mean the same in both only if their tables have one size and their hashes one seed. */
  readonly buckets: number;
  readonly seedCheck: string;
}

export type PeerFrame =
  | { readonly kind: "hello"; readonly hello: PeerHello }
  | { readonly kind: "counts"; readonly part: CounterPart; readonly sinceMs: number }
  | { readonly kind: "complete" };

const kinds = { hello: 1, counts: 2, complete: 3 } as const;
const headBytes = 5;
const shareBytes = wordsPerShare * 4;
const mostShares = 4_096;
const idPattern = /^[A-Za-z0-9_-]{1,63}$/;
/** Kind, name and instant, and as many counters as a frame may hold. */
export const longestFrame = 1 + 1 + 63 + 8 + mostShares * shareBytes;

export function encodeFrame(frame: PeerFrame): Buffer {
  const body = bodyOf(frame);
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(1 + body.length, 0);
  head.writeUInt8(kinds[frame.kind], 4);
  return Buffer.concat([head, body]);
}

/** Counts in frames that are not too long. */
export function encodeCounts({ origin, shares }: CounterPart, sinceMs: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < shares.length; at += mostShares * wordsPerShare) {
    const part = { origin, shares: shares.subarray(at, at + mostShares * wordsPerShare) };
    frames.push(encodeFrame({ kind: "counts", part, sinceMs }));
  }
  return frames;
}

function bodyOf(frame: PeerFrame): Buffer {
  switch (frame.kind) {
    case "hello":
      return Buffer.from(JSON.stringify(frame.hello));
    case "complete":
      return Buffer.alloc(0);
    case "counts": {
      const { origin, shares } = frame.part;
      const name = Buffer.from(origin);
      const body = Buffer.alloc(1 + name.length + 8 + shares.length * 4);
      body.writeUInt8(name.length, 0);
      name.copy(body, 1);
      body.writeDoubleLE(frame.sinceMs, 1 + name.length);
      shares.forEach((word, index) => body.writeInt32LE(word, 9 + name.length + index * 4));
      return body;
    }
  }
}

/** Puts the pieces of a stream together. Holds at most one frame and a piece. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  #buckets: number;

  /** `buckets`: of our own table; a counter beyond it is no counter. */
  constructor(buckets: number) {
    this.#buckets = buckets;
  }

  /** @throws DrawbridgeError `PEER_FRAME_INVALID` (invalid_argument) */
  *read(piece: Buffer): Iterable<PeerFrame> {
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    while (this.#rest.length >= headBytes) {
      const length = this.#rest.readUInt32LE(0);
      if (length < 1 || length > longestFrame) throw invalid("its length");
      if (this.#rest.length < 4 + length) return;
      const frame = this.#decode(this.#rest.readUInt8(4), this.#rest.subarray(headBytes, 4 + length));
      this.#rest = this.#rest.subarray(4 + length);
      yield frame;
    }
  }

  #decode(kind: number, body: Buffer): PeerFrame {
    switch (kind) {
      case kinds.hello:
        return { kind: "hello", hello: helloFrom(body) };
      case kinds.counts:
        return this.#countsFrom(body);
      case kinds.complete:
        return { kind: "complete" };
      default:
        throw invalid("its kind");
    }
  }

  #countsFrom(body: Buffer): PeerFrame {
    const nameLength = body[0] ?? 0;
    const first = 1 + nameLength + 8;
    const bytes = body.length - first;
    if (bytes < shareBytes || bytes % shareBytes !== 0) throw invalid("the number of its counters");
    const origin = body.toString("latin1", 1, 1 + nameLength);
    if (!idPattern.test(origin)) throw invalid("the name of a gateway");
    const sinceMs = body.readDoubleLE(1 + nameLength);
    if (!Number.isFinite(sinceMs)) throw invalid("its instant");
    const shares = new Int32Array(bytes / 4);
    for (let at = 0; at < shares.length; at += wordsPerShare) {
      const word = (index: number): number => body.readInt32LE(first + (at + index) * 4);
      const [bucket, tag, endSecond, count] = [word(0), word(1), word(2), word(3)];
      const isCounter =
        bucket >= 0 && bucket < this.#buckets && tag !== 0 && endSecond > 0 && count > 0 && count <= highestCount;
      if (!isCounter) throw invalid("a counter");
      shares.set([bucket, tag, endSecond, count], at);
    }
    return { kind: "counts", part: { origin, shares }, sinceMs };
  }
}

const longestHello = 1_024;

function helloFrom(body: Buffer): PeerHello {
  if (body.length > longestHello) throw invalid("its hello");
  let said: unknown;
  try {
    said = JSON.parse(body.toString());
  } catch {
    throw invalid("its hello");
  }
  if (typeof said !== "object" || said === null || !("gatewayId" in said && "buckets" in said && "seedCheck" in said)) {
    throw invalid("its hello");
  }
  const { gatewayId, buckets, seedCheck } = said;
  if (typeof gatewayId !== "string" || !idPattern.test(gatewayId)) throw invalid("the name of a gateway");
  if (typeof buckets !== "number" || typeof seedCheck !== "string") throw invalid("its hello");
  return { gatewayId, buckets, seedCheck };
}

function invalid(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "PEER_FRAME_INVALID",
    message: `what another gateway sends is not of our form: ${what}`,
  });
}
