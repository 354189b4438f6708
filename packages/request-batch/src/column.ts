/** Values of all rows, as wide as the largest of them needs. */
export type Column = Uint8Array | Uint16Array | Uint32Array;

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The first `rows` values as the wire has them: little-endian, 1, 2 or 4 bytes each; nothing if all are zero. */
export function columnBytes(values: Uint32Array, rows: number): Buffer {
  let bits = 0;
  for (let row = 0; row < rows; row += 1) bits |= values[row] ?? 0;
  if (bits === 0) return Buffer.alloc(0);
  const width = widthOf(bits >>> 0);
  const bytes = new Uint8Array(rows * width);
  const column = viewOf(bytes, width);
  if (column === undefined) throw new RangeError(`no column is ${width} bytes wide`);
  column.set(values.subarray(0, rows));
  return Buffer.from((isLittleEndian ? bytes : swapped(bytes, width)).buffer);
}

/** @param bytes a column of so many rows */
export function columnOf(bytes: Uint8Array, rows: number): Column {
  if (bytes.length === 0) return new Uint8Array(rows);
  const width = bytes.length / rows;
  const aligned = new Uint8Array(bytes); // an own buffer: the message's may begin anywhere
  const column = viewOf(isLittleEndian ? aligned : swapped(aligned, width), width);
  if (column === undefined) throw new RangeError(`no column is ${width} bytes wide`);
  return column;
}

/** Largest value of a column, without making one. */
export function largestIn(bytes: Uint8Array, width: 1 | 2 | 4): number {
  let largest = 0;
  // By index: the iterator of typed arrays costs five times as much.
  for (let at = 0; at < bytes.length; at += width) {
    let value = bytes[at] ?? 0;
    if (width > 1) value += (bytes[at + 1] ?? 0) * 2 ** 8;
    if (width > 2) value += (bytes[at + 2] ?? 0) * 2 ** 16 + (bytes[at + 3] ?? 0) * 2 ** 24;
    if (value > largest) largest = value;
  }
  return largest;
}

function widthOf(value: number): 1 | 2 | 4 {
  if (value < 2 ** 8) return 1;
  return value < 2 ** 16 ? 2 : 4;
}

function viewOf(bytes: Uint8Array<ArrayBuffer>, width: number): Column | undefined {
  if (width === 1) return bytes;
  if (width === 2) return new Uint16Array(bytes.buffer, 0, bytes.length / 2);
  return width === 4 ? new Uint32Array(bytes.buffer, 0, bytes.length / 4) : undefined;
}

function swapped(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  if (width === 2) Buffer.from(bytes.buffer).swap16();
  if (width === 4) Buffer.from(bytes.buffer).swap32();
  return bytes;
}
