/** Frames of HTTP/2 (RFC 9113) written by hand, so that they may say what no client library would. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

const endStream = 0x1;
const endHeaders = 0x4;
export const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, window: 8 } as const;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const settingsFrame = (): Buffer => frame(frameType.settings, 0, 0, Buffer.alloc(0));
export const settingsAck = (): Buffer => frame(frameType.settings, 1, 0, Buffer.alloc(0));

export function headersFrame(
  stream: number,
  fields: readonly (readonly [string, string])[],
  { isLast }: { readonly isLast: boolean },
): Buffer {
  const block = Buffer.concat(
    fields.map(([name, value]) => Buffer.concat([Buffer.from([0x10]), text(name), text(value)])),
  );
  return frame(frameType.headers, endHeaders | (isLast ? endStream : 0), stream, block);
}

export function dataFrame(stream: number, body: string, { isLast }: { readonly isLast: boolean }): Buffer {
  return frame(frameType.data, isLast ? endStream : 0, stream, Buffer.from(body, "latin1"));
}

/** A string literal without Huffman code (RFC 7541 5.2), of at most 16,000 bytes. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const more = bytes.length - 127;
  return Buffer.concat([Buffer.from([127, (more & 0x7f) | 0x80, more >> 7]), bytes]);
}

export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function readFrames(bytes: Buffer): { readonly frames: readonly ReadFrame[]; readonly rest: Buffer } {
  const frames: ReadFrame[] = [];
  let at = 0;
  while (bytes.length >= at + 9) {
    const length = bytes.readUIntBE(at, 3);
    if (bytes.length < at + 9 + length) break;
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** Status of a HEADERS frame as node's encoder writes it: an index of the static table, or a literal with name index 8. */
export function statusOf(payload: Buffer): number {
  const indexed: Readonly<Record<number, number>> = {
    0x88: 200,
    0x89: 204,
    0x8a: 206,
    0x8b: 304,
    0x8c: 400,
    0x8d: 404,
    0x8e: 500,
  };
  const [first = 0, length = 0] = payload;
  const known = indexed[first];
  if (known !== undefined) return known;
  const digits = payload.subarray(2, 2 + (length & 0x7f));
  return Number((length & 0x80) === 0 ? digits.toString("latin1") : huffmanDigits(digits));
}

/** Three digits in Huffman code: 0, 1, 2 have five bits, the others six (RFC 7541, appendix B). */
function huffmanDigits(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let result = "";
  for (let at = 0; result.length < 3 && at + 5 <= bits.length;) {
    const five = Number.parseInt(bits.slice(at, at + 5), 2);
    if (five < 3) {
      result += five;
      at += 5;
    } else {
      result += Number.parseInt(bits.slice(at, at + 6), 2) - 0x19 + 3;
      at += 6;
    }
  }
  return result;
}
