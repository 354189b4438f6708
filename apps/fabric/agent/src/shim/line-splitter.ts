const newline = 0x0a;
const carriageReturn = 0x0d;

/** Longest line that is kept, in bytes; the rest of a longer one is dropped. */
export const maxLineBytes = 65_536;

export interface LineSplitter {
  /** Lines that this chunk completes. */
  push(chunk: Buffer): readonly string[];
  /** What is left without a newline; undefined if nothing is. */
  flush(): string | undefined;
}

/** Cuts a stream of bytes into lines of at most `maxLineBytes`, with bounded memory whatever the app writes. */
export function createLineSplitter(): LineSplitter {
  let parts: Buffer[] = [];
  let sizeBytes = 0;

  function keep(piece: Buffer): void {
    const room = maxLineBytes - sizeBytes;
    if (room <= 0 || piece.length === 0) return;
    // Copied: a chunk is a view of a large pooled buffer that a short rest would keep alive.
    parts.push(Buffer.from(piece.subarray(0, room)));
    sizeBytes += Math.min(room, piece.length);
  }

  function take(): string {
    const line = Buffer.concat(parts);
    parts = [];
    sizeBytes = 0;
    return (line.at(-1) === carriageReturn ? line.subarray(0, -1) : line).toString("utf8");
  }

  return {
    push(chunk) {
      const lines: string[] = [];
      let start = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        keep(chunk.subarray(start, end));
        lines.push(take());
        start = end + 1;
      }
      keep(chunk.subarray(start));
      return lines;
    },
    flush: () => (sizeBytes === 0 ? undefined : take()),
  };
}
