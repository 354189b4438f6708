import { ByteBuffer } from "./byte-buffer.ts";
import { valueOutOfRange } from "./column-errors.ts";
import type { NativeColumn } from "./native-column.ts";

const initialRows = 1024;

class StringColumn implements NativeColumn {
  readonly type = "String";
  readonly #bytes = new ByteBuffer(4096);
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  push(value: string): void {
    this.#bytes.appendString(value);
    this.#rows += 1;
  }

  clear(): void {
    this.#bytes.clear();
    this.#rows = 0;
  }

  encode(): readonly Uint8Array[] {
    return [this.#bytes.view()];
  }
}

/** SerializationLowCardinality::KeysSerializationVersion of ClickHouse: dictionaries that travel with the data. */
const keysVersion = 1;
/** HasAdditionalKeysBit: the keys of this block follow. The low byte says how wide the indexes are. */
const hasAdditionalKeys = 0x200;

/** A dictionary of the distinct strings, and for each row the number of its string. */
class LowCardinalityColumn implements NativeColumn {
  readonly type = "LowCardinality(String)";
  readonly #ids = new Map<string, number>();
  readonly #keys = new ByteBuffer(1024);
  #indexes = new Uint32Array(initialRows);
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  push(value: string): void {
    this.pushId(this.idOf(value));
  }

  /** The number of a string, the same until `clear`: for callers that meet the same string again and again. */
  idOf(value: string): number {
    const known = this.#ids.get(value);
    if (known !== undefined) return known;
    const id = this.#ids.size;
    this.#ids.set(value, id);
    this.#keys.appendString(value);
    return id;
  }

  /** A row by the number that `idOf` gave. */
  pushId(id: number): void {
    if (this.#rows === this.#indexes.length) {
      const grown = new Uint32Array(this.#indexes.length * 2);
      grown.set(this.#indexes);
      this.#indexes = grown;
    }
    this.#indexes[this.#rows] = id;
    this.#rows += 1;
  }

  /** Many rows at once, each by the number that `idOf` gave. */
  pushIds(ids: Uint32Array): void {
    const rows = this.#roomFor(ids.length);
    this.#indexes.set(ids, this.#rows);
    this.#rows = rows;
  }

  /** The same for many rows. */
  pushSame(id: number, count: number): void {
    const rows = this.#roomFor(count);
    this.#indexes.fill(id, this.#rows, rows);
    this.#rows = rows;
  }

  /** Many rows at once that tell where in `ids` their number is. */
  pushChosen(ids: Uint32Array, places: Uint32Array): void {
    const rows = this.#roomFor(places.length);
    const indexes = this.#indexes;
    const first = this.#rows;
    for (let row = 0; row < places.length; row += 1) indexes[first + row] = ids[places[row] ?? 0] ?? 0;
    this.#rows = rows;
  }

  /** @returns how many rows there are with so many more */
  #roomFor(more: number): number {
    const rows = this.#rows + more;
    if (rows > this.#indexes.length) {
      const grown = new Uint32Array(Math.max(rows, this.#indexes.length * 2));
      grown.set(this.#indexes);
      this.#indexes = grown;
    }
    return rows;
  }

  /** The number of each row's string; valid until the next append or clear. */
  get ids(): Uint32Array {
    return this.#indexes.subarray(0, this.#rows);
  }

  /** Strings that have a number: 0 to one less. */
  get keyCount(): number {
    return this.#ids.size;
  }

  clear(): void {
    this.#ids.clear();
    this.#keys.clear();
    this.#rows = 0;
  }

  encode(): readonly Uint8Array[] {
    return this.#encode(this.ids);
  }

  /** Only these rows, in this order; with the whole dictionary, which others may share without looking at a string. */
  encodeRows(rows: Uint32Array): readonly Uint8Array[] {
    const ids = new Uint32Array(rows.length);
    for (let index = 0; index < rows.length; index += 1) ids[index] = this.#indexes[rows[index] ?? 0] ?? 0;
    return this.#encode(ids);
  }

  #encode(ids: Uint32Array): readonly Uint8Array[] {
    const { width, bytes } = narrowIndexes(ids, this.#ids.size);
    const head = new ByteBuffer(24);
    head.appendUInt64(keysVersion);
    head.appendUInt64(width | hasAdditionalKeys);
    head.appendUInt64(this.#ids.size);
    const middle = new ByteBuffer(8);
    middle.appendUInt64(ids.length);
    return [head.view(), this.#keys.view(), middle.view(), bytes];
  }
}

/** Indexes as wide as the dictionary needs: width 0, 1, 2 is 8, 16, 32 bits. */
function narrowIndexes(indexes: Uint32Array, keys: number): { readonly width: number; readonly bytes: Uint8Array } {
  if (keys <= 0x100) return { width: 0, bytes: new Uint8Array(indexes) };
  if (keys <= 0x1_00_00) return { width: 1, bytes: new Uint8Array(new Uint16Array(indexes).buffer) };
  return { width: 2, bytes: new Uint8Array(indexes.buffer, indexes.byteOffset, indexes.byteLength) };
}

const addressBytes = 16;
const addressWords = addressBytes / Uint32Array.BYTES_PER_ELEMENT;
const onlyOne = [0];

class Ipv6Column implements NativeColumn {
  readonly type = "IPv6";
  #words = new Uint32Array(initialRows * addressWords);
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  /** Sixteen bytes in network order; an IPv4 address as ::ffff:a.b.c.d. */
  push(address: Uint8Array): void {
    if (address.length !== addressBytes) throw valueOutOfRange(this.type, address);
    this.pushChosen(address, onlyOne);
  }

  /** Many rows at once that tell which address of a table is theirs. */
  pushChosen(table: Uint8Array, places: ArrayLike<number>): void {
    this.#makeRoomFor(places.length);
    const from = new Uint32Array(new Uint8Array(table).buffer); // an own buffer: the table may begin anywhere
    const words = this.#words;
    let at = this.#rows * addressWords;
    for (let row = 0; row < places.length; row += 1) {
      const place = (places[row] ?? 0) * addressWords;
      words[at] = from[place] ?? 0;
      words[at + 1] = from[place + 1] ?? 0;
      words[at + 2] = from[place + 2] ?? 0;
      words[at + 3] = from[place + 3] ?? 0;
      at += addressWords;
    }
    this.#rows += places.length;
  }

  clear(): void {
    this.#rows = 0;
  }

  encode(): readonly Uint8Array[] {
    return [new Uint8Array(this.#words.buffer, 0, this.#rows * addressBytes)];
  }

  #makeRoomFor(more: number): void {
    const needed = (this.#rows + more) * addressWords;
    if (needed <= this.#words.length) return;
    const grown = new Uint32Array(Math.max(needed, this.#words.length * 2));
    grown.set(this.#words);
    this.#words = grown;
  }
}

export const stringColumn = () => new StringColumn();
export const lowCardinalityColumn = () => new LowCardinalityColumn();
export const ipv6Column = () => new Ipv6Column();
