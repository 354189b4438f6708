const newline = 0x0a;
const quote = 0x22;

/** chdb begins every piece of a CSVWithNames stream with the names of the columns: they stay in the first one only. */
export async function* withoutRepeatedHeader(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let header: Buffer | undefined;
  for await (const bytes of pieces) {
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (header === undefined) {
      header = Buffer.from(piece.subarray(0, headerLength(piece)));
      yield piece;
    } else {
      yield piece.subarray(piece.subarray(0, header.length).equals(header) ? header.length : 0);
    }
  }
}

/** Up to and with the first line break that is not in quotes. */
function headerLength(piece: Buffer): number {
  let isQuoted = false;
  for (const [index, byte] of piece.entries()) {
    if (byte === quote) isQuoted = !isQuoted;
    else if (byte === newline && !isQuoted) return index + 1;
  }
  return piece.length;
}
