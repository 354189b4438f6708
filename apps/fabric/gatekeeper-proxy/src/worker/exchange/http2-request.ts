import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { requestTooSlow } from "../request/problem.ts";
import { pairsOf, safeTrailers } from "../request/trailers.ts";
import type { ResponseHead } from "../upstream/response-head.ts";
import { ForwardedRequest } from "./forwarded-request.ts";
import type { Arrival, RequestContext } from "./request-context.ts";

/** A request of an HTTP/2 client: one stream of its connection. */
export class Http2Request extends ForwardedRequest {
  readonly #stream: ServerHttp2Stream;
  readonly #socket: Duplex;
  #requestTrailers: readonly string[] = [];
  #responseTrailers: readonly string[] = [];
  #isResponseEnded = false;
  #waitsForDrain = false;
  #cancelBodyLimit: (() => void) | undefined = undefined;

  constructor(context: RequestContext, arrival: Arrival, stream: ServerHttp2Stream, socket: Duplex) {
    super(context, arrival);
    this.#stream = stream;
    this.#socket = socket;
    stream.once("close", () => this.onClientGone());
  }

  protected sendHead(head: { status: number; headers: string[]; length: number; hasBody: boolean }): void {
    const headers = headersOf(head.headers);
    headers[":status"] = head.status;
    if (head.length >= 0) headers["content-length"] = head.length;
    if (!head.hasBody) {
      this.#isResponseEnded = true;
      this.#stream.respond(headers, { endStream: true });
      return;
    }
    this.#stream.respond(headers, { waitForTrailers: true });
    this.#stream.once("wantTrailers", () => this.#stream.sendTrailers(headersOf(this.#responseTrailers)));
  }

  protected flushHead(): void {
    // respond sends it
  }

  protected sendBody(bytes: Uint8Array, isLast: boolean): boolean {
    const stream = this.#stream;
    if (isLast) {
      this.#isResponseEnded = true;
      stream.end(bytes);
      this.#watchTail();
      return true;
    }
    if (stream.write(bytes)) return true;
    if (!this.#waitsForDrain) {
      this.#waitsForDrain = true;
      stream.once("drain", () => {
        this.#waitsForDrain = false;
        this.onClientDrain();
      });
    }
    return false;
  }

  protected sendEnd(trailers: readonly string[]): void {
    if (this.#isResponseEnded) return;
    this.#isResponseEnded = true;
    this.#responseTrailers = trailers;
    this.#stream.end();
    this.#watchTail();
  }

  /** Nobody waits any more for what is left: the client reads it, or is cut off. */
  #watchTail(): void {
    if (this.#stream.writableLength === 0) return;
    this.#stream.setTimeout(this.context.settings.idleTimeoutMs, () => this.#cutOff(constants.NGHTTP2_CANCEL));
  }

  /** A connection that does not even take that goes with it. */
  #cutOff(code: number): void {
    const stream = this.#stream;
    stream.close(code);
    // Of the connection itself: its session would wait for what is being written.
    this.context.after(this.context.settings.idleTimeoutMs, () => {
      if (!stream.destroyed) this.#socket.destroy();
    });
  }

  protected sendInformational(head: ResponseHead): void {
    if (!this.isAnswered && head.status === 103) {
      this.#stream.additionalHeaders({ ...headersOf(head.headers), ":status": 103 });
    }
  }

  protected breakOff(): void {
    this.#cutOff(constants.NGHTTP2_INTERNAL_ERROR);
  }

  protected readBody(): void {
    const stream = this.#stream;
    stream.on("trailers", (_headers, _flags, raw: readonly string[]) => (this.#requestTrailers = safeTrailers(raw)));
    stream.on("data", (bytes: Buffer) => this.takeBody(bytes));
    // An empty body ends whether somebody listens or not.
    if (stream.readableEnded) this.takeBodyEnd(this.#requestTrailers);
    else stream.on("end", () => this.takeBodyEnd(this.#requestTrailers));
  }

  protected pauseBody(): void {
    this.#stream.pause();
  }

  protected resumeBody(): void {
    this.#stream.resume();
  }

  protected collectBody(limitBytes: number): Promise<Uint8Array | "too_large"> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array | "too_large">();
    const { requestTimeoutMs } = this.context.settings;
    if (this.#stream.readableEnded) resolve(new Uint8Array());
    else if (requestTimeoutMs > 0) {
      // Of clients of HTTP/1.1 node sees to it.
      this.#cancelBodyLimit = this.context.after(requestTimeoutMs, () => this.fail(requestTooSlow));
      this.#stream.once("end", this.#cancelBodyLimit);
    }
    const pieces: Buffer[] = [];
    this.#stream.on("data", (bytes: Buffer) => {
      this.requestBytes += bytes.length;
      if (this.requestBytes <= limitBytes) return void pieces.push(bytes);
      this.#stream.pause();
      resolve("too_large");
    });
    this.#stream.on("end", () => resolve(Buffer.concat(pieces)));
    return promise;
  }

  /** A client that still sends what nobody reads is told to stop (RFC 9113 8.1). */
  protected onOver(): void {
    this.#cancelBodyLimit?.();
    if (this.isAnswered && !this.isBodyRead) this.#stream.once("finish", () => this.#stream.close());
  }
}

/** Names in lower case; several fields of one name as a list. */
export function headersOf(flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of pairsOf(flat)) {
    const lower = name.toLowerCase();
    const known = headers[lower];
    if (known === undefined) headers[lower] = value;
    else headers[lower] = Array.isArray(known) ? [...known, value] : [String(known), value];
  }
  return headers;
}
