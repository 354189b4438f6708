import { isTokenCode, isValueCode } from "../request/field-kind.ts";

/** Extensions and trailers carry nothing that a gateway needs; what is larger is an attack or a mistake. */
const maxExtensionBytes = 1_024;
const maxTrailerBytes = 8_192;
/** 2^40: more hexadecimal digits than this are an overflow that somebody else may read differently. */
const maxSizeDigits = 10;

type Phase =
  | "size"
  | "name-start"
  | "name"
  | "value-start"
  | "value"
  | "size-lf"
  | "data"
  | "data-cr"
  | "data-lf"
  | "trailer"
  | "done";

export interface ChunkSink {
  /** A piece of the body, a view of `bytes`: copy it to keep it. */
  onChunkData(piece: Buffer): void;
}

/**
 * Decodes `Transfer-Encoding: chunked` (RFC 9112 7.1) as strictly as it can be read: CRLF only, size of hexadecimal digits
 * only, bounded extensions of tokens: `;name` or `;name=value`. Whatever else comes is malformed, never mended.
 */
export class ChunkedDecoder {
  /** Flat, once done. */
  readonly trailers: string[] = [];
  #phase: Phase = "size";
  #size = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerText = "";

  get isDone(): boolean {
    return this.#phase === "done";
  }

  /** @returns how many bytes belonged to the body; -1 if malformed. All of them unless it is done. */
  write(bytes: Buffer, sink: ChunkSink): number {
    let at = 0;
    while (at < bytes.length && this.#phase !== "done") {
      switch (this.#phase) {
        case "data": {
          const taken = Math.min(this.#size, bytes.length - at);
          this.#size -= taken;
          if (this.#size === 0) this.#phase = "data-cr";
          const piece = bytes.subarray(at, at + taken);
          at += taken;
          sink.onChunkData(piece);
          break;
        }
        case "trailer":
          at = this.#readTrailer(bytes, at);
          if (at < 0) return -1;
          break;
        case "size":
        case "name-start":
        case "name":
        case "value-start":
        case "value":
        case "size-lf":
        case "data-cr":
        case "data-lf":
          if (!this.#readFraming(bytes[at] ?? 0)) return -1;
          at += 1;
      }
    }
    return at;
  }

  #readFraming(code: number): boolean {
    switch (this.#phase) {
      case "size": {
        const digit = hexDigit(code);
        if (digit >= 0) {
          this.#size = this.#size * 16 + digit;
          this.#digits += 1;
          return this.#digits <= maxSizeDigits;
        }
        if (this.#digits === 0) return false;
        if (code === 0x0d) this.#phase = "size-lf";
        else if (code === 0x3b) this.#phase = "name-start";
        else return false;
        return true;
      }
      case "name-start":
      case "name":
      case "value-start":
      case "value":
        this.#extensionBytes += 1;
        return this.#extensionBytes <= maxExtensionBytes && this.#readExtension(code);
      case "size-lf":
        if (code !== 0x0a) return false;
        this.#phase = this.#size === 0 ? "trailer" : "data";
        this.#digits = 0;
        return true;
      case "data-cr":
        this.#phase = "data-lf";
        return code === 0x0d;
      case "data-lf":
        this.#phase = "size";
        return code === 0x0a;
      case "data":
      case "trailer":
      case "done":
        return false;
    }
  }

  #readExtension(code: number): boolean {
    const hasBegun = this.#phase === "name" || this.#phase === "value";
    const isName = this.#phase === "name-start" || this.#phase === "name";
    if (isTokenCode[code] === 1) this.#phase = isName ? "name" : "value";
    else if (!hasBegun) return false;
    else if (code === 0x0d) this.#phase = "size-lf";
    else if (code === 0x3b) this.#phase = "name-start";
    else if (code === 0x3d && isName) this.#phase = "value-start";
    else return false;
    return true;
  }

  /** Up to the empty line. */
  #readTrailer(bytes: Buffer, at: number): number {
    const known = this.#trailerText.length;
    const text = this.#trailerText + bytes.toString("latin1", at, Math.min(bytes.length, at + maxTrailerBytes + 4));
    const end = text.startsWith("\r\n") ? 0 : text.indexOf("\r\n\r\n");
    if (end < 0) {
      if (text.length > maxTrailerBytes || !mayBecomeTrailers(text)) return -1;
      this.#trailerText = text;
      return bytes.length;
    }
    const consumed = end === 0 ? 2 : end + 4;
    if (end > maxTrailerBytes || !readFields(text.slice(0, end === 0 ? 0 : end + 2), this.trailers)) return -1;
    this.#phase = "done";
    return at + consumed - known;
  }
}

/** A line end that is not CRLF never becomes one: found early, not at the timeout. */
function mayBecomeTrailers(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x0a ? text.charCodeAt(index - 1) !== 0x0d : code !== 0x0d && isValueCode[code] !== 1) return false;
  }
  return true;
}

function readFields(text: string, into: string[]): boolean {
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    if (end < 0 || colon <= at || colon > end) return false;
    for (let index = at; index < colon; index += 1) if (isTokenCode[text.charCodeAt(index)] !== 1) return false;
    for (let index = colon + 1; index < end; index += 1) if (isValueCode[text.charCodeAt(index)] !== 1) return false;
    into.push(text.slice(at, colon), text.slice(colon + 1, end).trim());
    at = end + 2;
  }
  return true;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
