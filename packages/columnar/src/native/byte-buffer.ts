/** Bytes that grow at the end; what a String column and a dictionary are kept in. */
export class ByteBuffer {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What was appended; valid until the next append or clear. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** ClickHouse's String: length as LEB128, then UTF-8. */
  appendString(text: string): void {
    // Three bytes for a UTF-16 unit is the most that UTF-8 takes; five for the length.
    this.#reserve(text.length * 3 + 5);
    if (text.length < 43) {
      // At most 127 bytes, so the length takes one byte: written behind the text's first guess of its place.
      const written = this.#bytes.write(text, this.#length + 1, "utf8");
      this.#bytes[this.#length] = written;
      this.#length += written + 1;
      return;
    }
    this.#appendVarint(Buffer.byteLength(text, "utf8"));
    this.#length += this.#bytes.write(text, this.#length, "utf8");
  }

  appendVarint(value: number): void {
    this.#reserve(5);
    this.#appendVarint(value);
  }

  /** An unsigned 64-bit number, little endian. */
  appendUInt64(value: number): void {
    this.#reserve(8);
    this.#bytes.writeUInt32LE(value >>> 0, this.#length);
    this.#bytes.writeUInt32LE(Math.floor(value / 4_294_967_296), this.#length + 4);
    this.#length += 8;
  }

  #appendVarint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#length] = (rest & 127) | 128;
      this.#length += 1;
      rest >>>= 7;
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
