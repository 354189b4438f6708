import { isUtf8 } from "node:buffer";

/** Limits on a JSON text. Lengths are in characters as the reader will see them: an escape is one. */
export interface JsonLimits {
  /** Containers within each other; a bare value has depth 0. */
  readonly depth: number;
  /** Values in all, containers included. */
  readonly values: number;
  readonly stringLength: number;
  readonly nameLength: number;
  readonly objectEntries: number;
  readonly arrayElements: number;
  /** Characters of a number: long ones cost some readers time in the square of their length. */
  readonly numberLength: number;
  /** Whether one object may have a name twice: readers differ in which of the two they see. */
  readonly allowDuplicateNames: boolean;
}

export type JsonProblem =
  | "malformed"
  | "depth"
  | "values"
  | "stringLength"
  | "nameLength"
  | "objectEntries"
  | "arrayElements"
  | "numberLength"
  | "duplicateName";

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const lowerU = 0x75;

/**
 * The first thing that is wrong with `bytes` as a JSON text (RFC 8259: UTF-8, one value, no byte order mark), or undefined.
 * One pass over the bytes, without recursion; no value is built but the names of open objects. An own scanner because
 * libraries build the values first, which is what the limits are to prevent.
 */
export function findJsonProblem(bytes: Uint8Array, limits: JsonLimits): JsonProblem | undefined {
  return isUtf8(bytes) ? new JsonScan(bytes, limits).run() : "malformed";
}

interface Container {
  readonly isObject: boolean;
  count: number;
  readonly names: Set<string> | undefined;
}

class JsonScan {
  readonly #bytes: Buffer;
  readonly #limits: JsonLimits;
  readonly #open: Container[] = [];
  #at = 0;
  #values = 0;

  constructor(bytes: Uint8Array, limits: JsonLimits) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  run(): JsonProblem | undefined {
    let next: "value" | "value or end" | "name" | "name or end" | "separator" = "value";
    for (;;) {
      this.#skipSpace();
      const byte = this.#bytes[this.#at];
      if (next === "separator") {
        const container = this.#open.at(-1);
        if (!container) return byte === undefined ? undefined : "malformed";
        this.#at += 1;
        if (byte === comma) next = container.isObject ? "name" : "value";
        else if (byte === (container.isObject ? closeBrace : closeBracket)) this.#open.pop();
        else return "malformed";
      } else if (next === "name or end" && byte === closeBrace) {
        next = this.#close();
      } else if (next === "value or end" && byte === closeBracket) {
        next = this.#close();
      } else if (next === "name" || next === "name or end") {
        const problem = this.#name(byte);
        if (problem) return problem;
        next = "value";
      } else {
        const problem = this.#value(byte);
        if (problem === "object") next = "name or end";
        else if (problem === "array") next = "value or end";
        else if (problem) return problem;
        else next = "separator";
      }
    }
  }

  #close(): "separator" {
    this.#at += 1;
    this.#open.pop();
    return "separator";
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at += 1;
    }
  }

  /** A value, or the beginning of a container. */
  #value(byte: number | undefined): JsonProblem | "object" | "array" | undefined {
    this.#values += 1;
    if (this.#values > this.#limits.values) return "values";
    const container = this.#open.at(-1);
    if (container && !container.isObject) {
      container.count += 1;
      if (container.count > this.#limits.arrayElements) return "arrayElements";
    }
    switch (byte) {
      case openBrace:
      case openBracket: {
        if (this.#open.length >= this.#limits.depth) return "depth";
        const isObject = byte === openBrace;
        const hasNames = isObject && !this.#limits.allowDuplicateNames;
        this.#open.push({ isObject, count: 0, names: hasNames ? new Set() : undefined });
        this.#at += 1;
        return isObject ? "object" : "array";
      }
      case quote:
        return this.#string(this.#limits.stringLength, "stringLength");
      case undefined:
        return "malformed";
      case 0x74:
        return this.#literal("true");
      case 0x66:
        return this.#literal("false");
      case 0x6e:
        return this.#literal("null");
      default:
        return this.#number();
    }
  }

  #name(byte: number | undefined): JsonProblem | undefined {
    const container = this.#open.at(-1);
    if (byte !== quote || !container) return "malformed";
    container.count += 1;
    if (container.count > this.#limits.objectEntries) return "objectEntries";
    const start = this.#at;
    const problem = this.#string(this.#limits.nameLength, "nameLength");
    if (problem) return problem;
    if (container.names) {
      const name = this.#textOf(start, this.#at);
      if (container.names.has(name)) return "duplicateName";
      container.names.add(name);
    }
    this.#skipSpace();
    if (this.#bytes[this.#at] !== colon) return "malformed";
    this.#at += 1;
    return undefined;
  }

  /** The characters of a string that was scanned, so that it is known to be one. */
  #textOf(start: number, end: number): string {
    const source = this.#bytes.toString("utf8", start, end);
    return source.includes("\\") ? String(JSON.parse(source)) : source.slice(1, -1);
  }

  #string(longest: number, problem: "stringLength" | "nameLength"): JsonProblem | undefined {
    this.#at += 1;
    for (let length = 0; ;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x20) return "malformed";
      if (byte === quote) {
        this.#at += 1;
        return undefined;
      }
      if (byte === backslash) {
        const width = this.#escapeWidth();
        if (width === 0) return "malformed";
        this.#at += width;
        length += 1;
      } else {
        this.#at += 1;
        // Continuation bytes belong to the character before.
        if ((byte & 0xc0) !== 0x80) length += 1;
      }
      if (length > longest) return problem;
    }
  }

  /** Bytes of the escape that begins here; 0 if it is none. */
  #escapeWidth(): number {
    const kind = this.#bytes[this.#at + 1];
    if (kind === lowerU) {
      for (let digit = 2; digit < 6; digit += 1) if (!isHex(this.#bytes[this.#at + digit])) return 0;
      return 6;
    }
    return kind !== undefined && '"\\/bfnrt'.includes(String.fromCharCode(kind)) ? 2 : 0;
  }

  #literal(text: string): JsonProblem | undefined {
    const end = this.#at + text.length;
    if (this.#bytes.toString("latin1", this.#at, end) !== text) return "malformed";
    this.#at = end;
    return undefined;
  }

  #number(): JsonProblem | undefined {
    const start = this.#at;
    if (this.#bytes[this.#at] === 0x2d) this.#at += 1;
    if (this.#bytes[this.#at] === 0x30) this.#at += 1;
    else if (this.#digits() === 0) return "malformed";
    if (this.#bytes[this.#at] === 0x2e) {
      this.#at += 1;
      if (this.#digits() === 0) return "malformed";
    }
    const exponent = this.#bytes[this.#at];
    if (exponent === 0x65 || exponent === 0x45) {
      this.#at += 1;
      const sign = this.#bytes[this.#at];
      if (sign === 0x2b || sign === 0x2d) this.#at += 1;
      if (this.#digits() === 0) return "malformed";
    }
    return this.#at - start > this.#limits.numberLength ? "numberLength" : undefined;
  }

  #digits(): number {
    const start = this.#at;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x30 || byte > 0x39) return this.#at - start;
      this.#at += 1;
    }
  }
}

function isHex(byte: number | undefined): boolean {
  return (
    byte !== undefined &&
    ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66))
  );
}
