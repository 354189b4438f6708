import { createHash } from "node:crypto";
import { Transform } from "node:stream";
import { mebibytes, tooLarge } from "../archive/bundle-error.ts";
import type { BundleLimits } from "../archive/bundle-limits.ts";

/** Offset of the OS field of a gzip header, and its value for "unknown" (RFC 1952 2.3). */
const gzipOsOffset = 9;
const gzipOsUnknown = 255;

export interface ArchiveMeter {
  /** Passes the gzip stream on, with the one field that depends on the system made constant. */
  readonly stream: Transform;
  /** After the end. */
  result(): { readonly digest: string; readonly sizeBytes: number };
}

/** Measures and hashes a gzip stream on its way out and stops it at the limits that a reader has. */
export function createArchiveMeter(limits: BundleLimits, unpackedBytes: () => number): ArchiveMeter {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      if (sizeBytes <= gzipOsOffset && sizeBytes + chunk.byteLength > gzipOsOffset)
        chunk[gzipOsOffset - sizeBytes] = gzipOsUnknown;
      sizeBytes += chunk.byteLength;
      if (sizeBytes > limits.maxSizeBytes)
        return callback(tooLarge(`it has more than ${mebibytes(limits.maxSizeBytes)}`));
      hash.update(chunk);
      callback(null, chunk);
    },
    flush(callback) {
      const unpacked = unpackedBytes();
      const isBomb = unpacked > limits.ratioGraceBytes && unpacked > sizeBytes * limits.maxRatio;
      const problem = isBomb
        ? `it unpacks to more than ${limits.maxRatio} times its size`
        : unpacked > limits.maxUnpackedBytes && `it unpacks to more than ${mebibytes(limits.maxUnpackedBytes)}`;
      callback(problem === false ? null : tooLarge(problem));
    },
  });
  return { stream, result: () => ({ digest: `sha256:${hash.digest("hex")}`, sizeBytes }) };
}
