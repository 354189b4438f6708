import { constants, zstdDecompressSync } from "node:zlib";

/** A frame may ask its reader for a window of 8 MiB at most, whatever it unpacks to. */
const windowLog = 23;
const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
/** The library's own, for frames that do not say their size. */
const defaultChunkBytes = 16 * 1024;
const leastChunkBytes = 64;

/** @throws what node:zlib throws; of more than `limitBytes`, an error with the code ERR_BUFFER_TOO_LARGE */
export function unpackFrame(frame: Uint8Array, limitBytes: number): Buffer {
  const size = saidSize(frame);
  // One piece that all of it fits in, and a little more: else there are several, a copy of all, and a window beside them.
  const chunkSize = size === undefined ? defaultChunkBytes : Math.min(size, limitBytes) + leastChunkBytes;
  return zstdDecompressSync(frame, { maxOutputLength: limitBytes, chunkSize, params });
}

/** What a frame says of itself that it unpacks to (RFC 8878, 3.1.1.1); nothing checks it but unpacking. */
function saidSize(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 18 || view.getUint32(0, true) !== 0xfd2fb528) return undefined;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 32) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? view.getUint8(at) : undefined;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}
