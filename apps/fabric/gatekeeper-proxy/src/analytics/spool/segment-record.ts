import { readSync } from "node:fs";
import { crc32 } from "node:zlib";

/*
 * A record of a segment: head of `headBytes`, little-endian, then the batch's bytes as they are sent.
 *
 * `accountedBefore` counts everything that this spool has ever taken before: whatever is missing between two records that
 * can be read is known to the request, also when nothing of what lies between can be read.
 */
export interface RecordHead {
  readonly length: number;
  readonly checksum: number;
  readonly rows: number;
  /** Requests, and those that its gaps tell of. */
  readonly accounted: number;
  readonly accountedBefore: number;
  /** Milliseconds since the epoch, of its requests and gaps. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly epoch: number;
  readonly sequence: number;
  /** Of the spool, with this batch: the lowest 32 bits. What lies between two counts is never near so many. */
  readonly received: number;
}

export interface SegmentRecord {
  readonly head: RecordHead;
  readonly payload: Buffer;
  readonly offset: number;
  readonly endOffset: number;
}

export const headBytes = 72;
const checkedBytes = headBytes - 4;
const magic = 0x31_42_52_44; // "DRB1"
/** No batch is near it: what says more is no head. */
const longestPayload = 4 * 1024 * 1024;
const searchBytes = 256 * 1024;

export function encodeHead(head: Omit<RecordHead, "length" | "checksum">, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headBytes);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(payload.length, 4);
  bytes.writeUInt32LE(crc32(payload), 8);
  bytes.writeUInt32LE(head.rows, 12);
  bytes.writeDoubleLE(head.accounted, 16);
  bytes.writeDoubleLE(head.accountedBefore, 24);
  bytes.writeDoubleLE(head.fromMs, 32);
  bytes.writeDoubleLE(head.toMs, 40);
  bytes.writeDoubleLE(head.epoch, 48);
  bytes.writeDoubleLE(head.sequence, 56);
  bytes.writeUInt32LE(head.received, 64);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, checkedBytes)), checkedBytes);
  return bytes;
}

/** @returns undefined for bytes that are no head */
export function decodeHead(bytes: Buffer): RecordHead | undefined {
  if (bytes.length < headBytes || bytes.readUInt32LE(0) !== magic) return undefined;
  if (bytes.readUInt32LE(checkedBytes) !== crc32(bytes.subarray(0, checkedBytes))) return undefined;
  const length = bytes.readUInt32LE(4);
  if (length > longestPayload) return undefined;
  return {
    length,
    checksum: bytes.readUInt32LE(8),
    rows: bytes.readUInt32LE(12),
    accounted: bytes.readDoubleLE(16),
    accountedBefore: bytes.readDoubleLE(24),
    fromMs: bytes.readDoubleLE(32),
    toMs: bytes.readDoubleLE(40),
    epoch: bytes.readDoubleLE(48),
    sequence: bytes.readDoubleLE(56),
    received: bytes.readUInt32LE(64),
  };
}

/**
 * The head at this place, if what is written reaches as far as it says. Reading is synchronous here and below: the thread has
 * nothing else to do, the bytes are mostly in the system's memory, and the way through the pool of threads costs more.
 */
export function readHead(fd: number, offset: number, limit: number): RecordHead | undefined {
  if (offset + headBytes > limit) return undefined;
  const head = decodeHead(readBytes(fd, offset, headBytes));
  return head !== undefined && offset + headBytes + head.length <= limit ? head : undefined;
}

/** The record at this place, or undefined if there is none or it is damaged. */
export function readRecord(fd: number, offset: number, limit: number): SegmentRecord | undefined {
  const head = readHead(fd, offset, limit);
  if (head === undefined) return undefined;
  const payload = readBytes(fd, offset + headBytes, head.length);
  if (payload.length !== head.length || crc32(payload) !== head.checksum) return undefined;
  return { head, payload, offset, endOffset: offset + headBytes + head.length };
}

/** The next whole record behind damaged bytes. */
export function findRecord(fd: number, from: number, limit: number): SegmentRecord | undefined {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(magic);
  for (let start = from; start + headBytes <= limit;) {
    const bytes = readBytes(fd, start, Math.min(searchBytes, limit - start));
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
      const record = readRecord(fd, start + at, limit);
      if (record !== undefined) return record;
    }
    if (bytes.length < mark.length) return undefined;
    start += bytes.length - mark.length + 1;
  }
  return undefined;
}

function readBytes(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
