/*
 * What was heard from other gateways, on disk: a magic word, then for each gateway the length of its name, the name, the
 * number of its counts, and of each the entry and the count. 32-bit words, little-endian.
 */

const magic = 0x64_62_63_70;
const longestName = 63;

export function writeLedger(heard: ReadonlyMap<string, Int32Array>): Uint8Array {
  const parts: Buffer[] = [wordsToBytes([magic, heard.size])];
  for (const [origin, counts] of heard) {
    const name = Buffer.from(origin);
    const words: number[] = [];
    counts.forEach((count, entry) => {
      if (count > 0) words.push(entry, count);
    });
    parts.push(wordsToBytes([name.length]), name, wordsToBytes([words.length / 2, ...words]));
  }
  return Buffer.concat(parts);
}

/** What can be read; what is damaged is as if nothing was heard. */
export function readLedger(
  saved: Uint8Array | undefined,
  entries: number,
  mostOrigins: number,
): Map<string, Int32Array> {
  const heard = new Map<string, Int32Array>();
  if (saved === undefined || saved.byteLength === 0) return heard;
  const bytes = Buffer.from(saved.buffer, saved.byteOffset, saved.byteLength);
  let at = 0;
  const word = (): number => {
    at += 4;
    return bytes.readInt32LE(at - 4);
  };
  try {
    if (word() !== magic) return heard;
    const origins = word();
    if (origins > mostOrigins) return heard;
    for (let origin = 0; origin < origins; origin += 1) {
      const length = word();
      if (length < 1 || length > longestName) return new Map();
      const name = bytes.toString("utf8", at, at + length);
      at += length;
      const counts = new Int32Array(entries);
      for (let left = word(); left > 0; left -= 1) {
        const entry = word();
        const count = word();
        if (entry < 0 || entry >= entries || count < 0) return new Map();
        counts[entry] = count;
      }
      heard.set(name, counts);
    }
    return heard;
  } catch {
    return new Map(); // cut short
  }
}

function wordsToBytes(words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => bytes.writeInt32LE(word, index * 4));
  return bytes;
}
