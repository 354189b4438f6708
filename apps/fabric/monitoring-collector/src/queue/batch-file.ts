import { crc32 } from "node:zlib";

/*
 * One batch is one file, which appears whole by its renaming and goes with its delivery: there is no tail to tear and no cursor to
 * lose. Its name holds all that must be known of it without reading: place in the queue, time, data points.
 *
 *   <sequence, 12 digits>-<milliseconds since 1970>-<data points>.batch
 *   "DBB1"  CRC-32 of the content (4 bytes, big endian)  its length (4)  content
 */
export interface BatchName {
  readonly sequence: number;
  readonly createdAtMs: number;
  readonly dataPoints: number;
}

const magic = Buffer.from("DBB1");
export const headBytes = magic.length + 8;

export function batchFileName({ sequence, createdAtMs, dataPoints }: BatchName): string {
  return `${String(sequence).padStart(12, "0")}-${createdAtMs}-${dataPoints}.batch`;
}

/** `undefined`: no file of ours. */
export function parseBatchFileName(name: string): BatchName | undefined {
  const match = /^(\d{12})-(\d{1,15})-(\d{1,9})\.batch$/.exec(name);
  if (match === null) return undefined;
  return { sequence: Number(match[1]), createdAtMs: Number(match[2]), dataPoints: Number(match[3]) };
}

export function frameBatch(content: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt32BE(crc32(content), magic.length);
  head.writeUInt32BE(content.length, magic.length + 4);
  return Buffer.concat([head, content]);
}

/** `undefined`: damaged, or cut short. */
export function unframeBatch(file: Buffer): Buffer | undefined {
  if (file.length < headBytes || !file.subarray(0, magic.length).equals(magic)) return undefined;
  const content = file.subarray(headBytes);
  if (content.length !== file.readUInt32BE(magic.length + 4)) return undefined;
  return crc32(content) === file.readUInt32BE(magic.length) ? content : undefined;
}
