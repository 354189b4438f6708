import { valueOutOfRange } from "./column-errors.ts";
import type { NativeColumn } from "./native-column.ts";

type SmallArray = Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array;

const initialRows = 1024;
const twoTo32 = 4_294_967_296;

/** Numbers that fit into one element of a typed array. Integers that do not fit are refused, never wrapped. */
class SmallNumberColumn<A extends SmallArray> implements NativeColumn {
  readonly type: string;
  readonly #allocate: (rows: number) => A;
  readonly #isExact: boolean;
  #values: A;
  #rows = 0;

  constructor(type: string, allocate: (rows: number) => A, exactness: "exact" | "rounded") {
    this.type = type;
    this.#allocate = allocate;
    this.#isExact = exactness === "exact";
    this.#values = allocate(initialRows);
  }

  get rows(): number {
    return this.#rows;
  }

  push(value: number): void {
    if (this.#rows === this.#values.length) this.#grow(this.#rows + 1);
    this.#values[this.#rows] = value;
    if (this.#isExact && this.#values[this.#rows] !== value) throw valueOutOfRange(this.type, value);
    this.#rows += 1;
  }

  /** All elements of an array of the same kind at once. */
  pushAll(values: A): void {
    if (this.#rows + values.length > this.#values.length) this.#grow(this.#rows + values.length);
    this.#values.set(values, this.#rows);
    this.#rows += values.length;
  }

  /** Valid until the next append or clear. */
  get values(): A {
    // A part of an array is of its kind.
    return this.#values.subarray(0, this.#rows) as A;
  }

  clear(): void {
    this.#rows = 0;
  }

  encode(): readonly Uint8Array[] {
    const { buffer, byteOffset, BYTES_PER_ELEMENT } = this.#values;
    return [new Uint8Array(buffer, byteOffset, this.#rows * BYTES_PER_ELEMENT)];
  }

  #grow(rows: number): void {
    const grown = this.#allocate(Math.max(rows, this.#values.length * 2));
    grown.set(this.#values);
    this.#values = grown;
  }
}

/** 64-bit integers, kept as pairs of 32-bit halves: twelve times faster than a BigUint64Array fed with numbers. */
class WideIntegerColumn implements NativeColumn {
  readonly type: string;
  readonly #isSigned: boolean;
  #halves = new Uint32Array(initialRows * 2);
  #rows = 0;

  constructor(type: string, sign: "signed" | "unsigned") {
    this.type = type;
    this.#isSigned = sign === "signed";
  }

  get rows(): number {
    return this.#rows;
  }

  /** A safe integer or a bigint. */
  push(value: number | bigint): void {
    if (typeof value === "bigint") {
      const wrapped = this.#isSigned ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
      if (wrapped !== value) throw valueOutOfRange(this.type, value);
      this.pushHalves(Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));
      return;
    }
    if (!Number.isSafeInteger(value) || (value < 0 && !this.#isSigned)) throw valueOutOfRange(this.type, value);
    this.pushHalves(value >>> 0, Math.floor(value / twoTo32) >>> 0);
  }

  /** The bits as two unsigned 32-bit numbers. */
  pushHalves(low: number, high: number): void {
    const at = this.#rows * 2;
    if (at === this.#halves.length) {
      const grown = new Uint32Array(this.#halves.length * 2);
      grown.set(this.#halves);
      this.#halves = grown;
    }
    this.#halves[at] = low;
    this.#halves[at + 1] = high;
    this.#rows += 1;
  }

  /** Many rows at once: low half, high half, and so on. */
  pushAllHalves(halves: Uint32Array): void {
    const end = this.#rows * 2 + halves.length;
    if (end > this.#halves.length) {
      const grown = new Uint32Array(Math.max(end, this.#halves.length * 2));
      grown.set(this.#halves);
      this.#halves = grown;
    }
    this.#halves.set(halves, this.#rows * 2);
    this.#rows = end / 2;
  }

  /** Low half, high half, and so on; valid until the next append or clear. */
  get halves(): Uint32Array {
    return this.#halves.subarray(0, this.#rows * 2);
  }

  clear(): void {
    this.#rows = 0;
  }

  encode(): readonly Uint8Array[] {
    return [new Uint8Array(this.#halves.buffer, 0, this.#rows * 8)];
  }
}

export const uint8Column = () => new SmallNumberColumn("UInt8", (rows) => new Uint8Array(rows), "exact");
export const uint16Column = () => new SmallNumberColumn("UInt16", (rows) => new Uint16Array(rows), "exact");
export const uint32Column = () => new SmallNumberColumn("UInt32", (rows) => new Uint32Array(rows), "exact");
export const float32Column = () => new SmallNumberColumn("Float32", (rows) => new Float32Array(rows), "rounded");
export const float64Column = () => new SmallNumberColumn("Float64", (rows) => new Float64Array(rows), "rounded");
/** Whole seconds since 1970. */
export const dateTimeColumn = () => new SmallNumberColumn("DateTime('UTC')", (rows) => new Uint32Array(rows), "exact");
/** 0 or 1. */
export const boolColumn = () => new SmallNumberColumn("Bool", (rows) => new Uint8Array(rows), "exact");
export const uint64Column = () => new WideIntegerColumn("UInt64", "unsigned");
export const int64Column = () => new WideIntegerColumn("Int64", "signed");
/** Milliseconds since 1970. */
export const dateTime64Column = () => new WideIntegerColumn("DateTime64(3, 'UTC')", "signed");
