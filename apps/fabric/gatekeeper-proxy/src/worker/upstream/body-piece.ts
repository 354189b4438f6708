/** One read takes a body of 64 KiB together with the head before it. */
export const readBytes = 80 * 1024;

/**
 * A body up to here is passed on as text, each byte a character: node joins text to the head and writes both at once, where a
 * buffer needs a list of pieces. Longer text costs more to copy than that saves.
 */
export const longestText = 4_096;

/** Smaller ones are cheap to make; and a slow client that holds one must not hold a buffer many times its size. */
const leastPooled = 20 * 1024;
const mostFree = 64;

const free: ArrayBuffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();

/*
 * Pieces of bodies on their way to clients. A new buffer of this size for each of them costs more than the rest of the
 * request: allocation, page faults, and the collector's work.
 *
 * Invariant: a buffer is either free, or lent to the one who got a piece of it. It is free again only if he gave the piece
 * back, once, before anybody else kept it; a piece that is never given back is the collector's.
 */

/** A copy of `bytes` from `start` to `end`, which belongs to the caller. */
export function pieceOf(bytes: Buffer, start: number, end: number): Buffer {
  const length = end - start;
  const isPooled = length >= leastPooled && length <= readBytes;
  const piece = isPooled ? Buffer.from(lend(), 0, length) : Buffer.allocUnsafe(length);
  bytes.copy(piece, 0, start, end);
  return piece;
}

function lend(): ArrayBuffer {
  const buffer = free.pop() ?? new ArrayBuffer(readBytes);
  lent.add(buffer);
  return buffer;
}

/** Nobody uses the piece any more. Bytes from elsewhere are left alone. */
export function giveBack(piece: Uint8Array): void {
  const { buffer } = piece;
  if (piece.length >= leastPooled && lent.delete(buffer) && free.length < mostFree && buffer instanceof ArrayBuffer) {
    free.push(buffer);
  }
}

/** Somebody may use the piece longer than its request: it is not given back, whoever tries. */
export function keepPiece(piece: Uint8Array): void {
  lent.delete(piece.buffer);
}
