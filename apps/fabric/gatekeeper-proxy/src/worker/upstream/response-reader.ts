import { longestText, pieceOf } from "./body-piece.ts";
import { ChunkedDecoder } from "./chunked-decoder.ts";
import { HeadParser } from "./head-parser.ts";
import type { HeadContext, ResponseHead } from "./response-head.ts";

export const maxHeadBytes = 32 * 1024;
/** More interim answers than this serve nobody (CVE-2023-44487 has relatives in HTTP/1.1). */
export const maxInterimHeads = 16;

const headEnd = Buffer.from("\r\n\r\n");

export interface ReaderSink {
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead, isBodyNext: boolean): void;
  onBody(bytes: Buffer, isLast: boolean): boolean;
  /** A short body may be given as a whole and as text, each byte a character. */
  readonly takesText?: boolean;
  onText?(text: string): void;
}

/** done: the message is complete; `surplus` tells whether bytes followed it. switched: 101, the rest is `rest`. */
export type ReadOutcome = "more" | "done" | "malformed" | "switched";

/**
 * Reads one response after another from the bytes of a connection (RFC 9112). Decides where a message ends and nothing else.
 *
 * Invariants: bytes given to the sink are copies; a message ends at exactly one place or is malformed; what follows the end
 * is never read as another message.
 */
export class ResponseReader {
  /** Of the message being read, once its head is complete. */
  head: ResponseHead | undefined = undefined;
  /** Why it is malformed. */
  problem = "";
  trailers: readonly string[] = [];
  hasSurplus = false;
  /** After "switched". */
  rest: Buffer | undefined = undefined;
  /** The sink said stop. */
  wantsPause = false;
  #context: HeadContext = { isHeadRequest: false, isUpgradeRequest: false };
  readonly #heads = new HeadParser();
  #pending: Buffer | undefined = undefined;
  #missing = 0;
  #chunks: ChunkedDecoder | undefined = undefined;
  #piece: Buffer | undefined = undefined;
  #interimHeads = 0;
  #sink: ReaderSink | undefined = undefined;

  begin(sink: ReaderSink, context: HeadContext): void {
    this.#sink = sink;
    this.#context = context;
    this.head = undefined;
    this.trailers = [];
    this.#chunks = undefined;
    this.#interimHeads = 0;
    this.wantsPause = false;
  }

  /** Whether any byte of an answer has come. */
  get hasBegun(): boolean {
    return this.head !== undefined || this.#pending !== undefined || this.#interimHeads > 0;
  }

  /** @param bytes reused by the caller afterwards */
  read(bytes: Buffer): ReadOutcome {
    const { head } = this;
    if (head !== undefined) return this.#readBody(head, bytes, 0);
    const all = this.#pending === undefined ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#pending = undefined;
    return this.#readHead(all);
  }

  /** The other side ended the connection in good order. */
  readEnd(): ReadOutcome {
    return this.head?.framing === "close" ? "done" : "more";
  }

  #readHead(bytes: Buffer): ReadOutcome {
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(headEnd, start);
      const size = (end < 0 ? bytes.length : end + 4) - start;
      if (size > maxHeadBytes) return this.#malformed("head too large");
      if (end < 0) {
        if (hasBareLineEnd(bytes, start)) return this.#malformed("line end");
        if (start < bytes.length) this.#pending = Buffer.from(bytes.subarray(start));
        return "more";
      }
      const head = this.#heads.parse(bytes.toString("latin1", start, end + 2), this.#context);
      if (typeof head === "string") return this.#malformed(head);
      start = end + 4;
      if (head.status >= 200) return this.#startBody(head, bytes, start);
      if (head.status === 101) {
        this.head = head;
        this.rest = Buffer.from(bytes.subarray(start));
        return "switched";
      }
      this.#interimHeads += 1;
      if (this.#interimHeads > maxInterimHeads) return this.#malformed("too many interim heads");
      this.#sink?.onInformational(head);
      if (start === bytes.length) return "more";
    }
  }

  #startBody(head: ResponseHead, bytes: Buffer, start: number): ReadOutcome {
    this.head = head;
    if (head.framing === "none") {
      this.hasSurplus = start < bytes.length;
      this.#sink?.onHead(head, true);
      return "done";
    }
    this.#missing = head.contentLength;
    if (head.framing === "chunked") this.#chunks = new ChunkedDecoder();
    const isBodyNext = start < bytes.length;
    this.#sink?.onHead(head, isBodyNext);
    return isBodyNext ? this.#readBody(head, bytes, start) : "more";
  }

  #readBody(head: ResponseHead, bytes: Buffer, start: number): ReadOutcome {
    switch (head.framing) {
      case "length": {
        const taken = Math.min(this.#missing, bytes.length - start);
        this.#missing -= taken;
        const isLast = this.#missing === 0;
        const isShort = isLast && taken <= longestText && taken === head.contentLength;
        const sink = this.#sink;
        if (isShort && sink?.takesText === true) sink.onText?.(bytes.toString("latin1", start, start + taken));
        else this.#give(pieceOf(bytes, start, start + taken), isLast);
        this.hasSurplus = start + taken < bytes.length;
        return isLast ? "done" : "more";
      }
      case "chunked":
        return this.#readChunks(start === 0 ? bytes : bytes.subarray(start));
      case "close":
        this.#give(pieceOf(bytes, start, bytes.length), false);
        return "more";
      case "none":
        return this.#malformed("body not allowed");
    }
  }

  /** The last piece waits until it is known whether it is the last: then head, body and end are one write. */
  #readChunks(bytes: Buffer): ReadOutcome {
    const chunks = this.#chunks;
    const consumed = chunks === undefined ? -1 : chunks.write(bytes, this);
    if (chunks === undefined || consumed < 0) return this.#malformed("chunk");
    const piece = this.#piece;
    this.#piece = undefined;
    if (chunks.isDone) {
      this.trailers = chunks.trailers;
      this.hasSurplus = consumed < bytes.length;
    }
    if (piece !== undefined) this.#give(piece, chunks.isDone && chunks.trailers.length === 0);
    return chunks.isDone ? "done" : "more";
  }

  onChunkData(piece: Buffer): void {
    if (this.#piece !== undefined) this.#give(this.#piece, false);
    this.#piece = pieceOf(piece, 0, piece.length);
  }

  #give(bytes: Buffer, isLast: boolean): void {
    if (this.#sink?.onBody(bytes, isLast) === false) this.wantsPause = true;
  }

  #malformed(problem: string): ReadOutcome {
    this.problem = problem;
    return "malformed";
  }
}

/** A head whose lines do not end in CRLF would never end for us, and did for somebody else. */
function hasBareLineEnd(bytes: Buffer, start: number): boolean {
  for (let at = bytes.indexOf(10, start); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (at === start || bytes[at - 1] !== 13) return true;
  }
  for (let at = bytes.indexOf(13, start); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (at + 1 < bytes.length && bytes[at + 1] !== 10) return true;
  }
  return false;
}
