import type { IncomingMessage, ServerResponse } from "node:http";
import { lingerOnClose } from "@drawbridge/lifecycle";
import type { ClientConnection } from "../front/client-connection.ts";
import { pairsOf, safeTrailers } from "../request/trailers.ts";
import { giveBack, longestText } from "../upstream/body-piece.ts";
import type { ResponseHead } from "../upstream/response-head.ts";
import { ForwardedRequest } from "./forwarded-request.ts";
import type { Arrival, RequestContext } from "./request-context.ts";

/** A request of an HTTP/1.1 client. */
export class Http1Request extends ForwardedRequest {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #connection: ClientConnection;
  #hasContinued = false;
  #isResponseEnded = false;
  #waitsForDrain = false;

  // oxlint-disable-next-line eslint/max-params -- built in one place, for every request
  constructor(
    context: RequestContext,
    arrival: Arrival,
    request: IncomingMessage,
    response: ServerResponse,
    connection: ClientConnection,
  ) {
    super(context, arrival);
    this.#request = request;
    this.#response = response;
    this.#connection = connection;
    connection.add(this);
  }

  override get isBodyRead(): boolean {
    return this.#request.complete || super.isBodyRead;
  }

  protected sendHead(head: {
    status: number;
    reason: string;
    headers: string[];
    length: number;
    hasBody: boolean;
  }): void {
    const { headers } = head;
    if (head.length >= 0) headers.push("content-length", String(head.length));
    else if (head.hasBody && this.#request.httpVersionMinor > 0) headers.push("transfer-encoding", "chunked");
    // A client that is still sending what nobody will read must not send its next request behind it.
    if (this.context.isDraining || !this.isBodyRead) {
      headers.push("connection", "close");
      this.#connection.isLast = true;
      if (!this.#request.complete) lingerOnClose(this.#request);
    } else if (this.#response.shouldKeepAlive) headers.push("Keep-Alive", this.context.keepAliveHint);
    if (head.reason === "") this.#response.writeHead(head.status, headers);
    else this.#response.writeHead(head.status, head.reason, headers);
  }

  protected flushHead(): void {
    this.#response.flushHeaders();
  }

  protected sendBody(bytes: Uint8Array, isLast: boolean): boolean {
    const response = this.#response;
    if (isLast) {
      this.#isResponseEnded = true;
      if (bytes.length <= longestText && bytes instanceof Buffer) {
        this.#endWith(bytes.toString("latin1"));
        return true;
      }
      response.end(bytes);
      this.#watchTail();
      if (response.writableLength === 0) giveBack(bytes);
      else response.once("finish", () => giveBack(bytes));
      return true;
    }
    if (response.write(bytes, (error) => error ?? giveBack(bytes))) return true;
    if (!this.#waitsForDrain) {
      this.#waitsForDrain = true;
      response.once("drain", () => {
        this.#waitsForDrain = false;
        this.onClientDrain();
      });
    }
    return false;
  }

  /** Whoever looks at the bytes of the answer beside the client gets them from `passBody`. */
  get takesText(): boolean {
    return !this.isAnswerSeen;
  }

  onText(text: string): void {
    if (this.isOver) return;
    this.responseBytes += text.length;
    this.#isResponseEnded = true;
    this.#endWith(text);
  }

  #endWith(text: string): void {
    this.#response.end(text, "latin1");
    this.#watchTail();
  }

  protected sendEnd(trailers: readonly string[]): void {
    if (this.#isResponseEnded) return;
    this.#isResponseEnded = true;
    if (trailers.length > 0) this.#response.addTrailers(pairsOf(trailers));
    this.#response.end();
    this.#watchTail();
  }

  /** Nobody waits any more for what is left: the client reads it, or is cut off. */
  #watchTail(): void {
    const { socket } = this.#request;
    if (socket.writableLength === 0) return;
    socket.setTimeout(this.context.settings.idleTimeoutMs);
    this.#response.once("finish", () => socket.setTimeout(0));
  }

  protected sendInformational(head: ResponseHead): void {
    if (this.#request.httpVersionMinor === 0 || this.isAnswered) return;
    const links = pairsOf(head.headers).flatMap(([name, value]) => (name.toLowerCase() === "link" ? [value] : []));
    if (head.status === 103 && links.length > 0) this.#response.writeEarlyHints({ link: links });
    else if (head.status === 102) this.#response.writeProcessing();
  }

  protected breakOff(): void {
    this.#request.socket.destroy();
  }

  protected readBody(): void {
    const request = this.#request;
    this.#continue();
    request.on("data", (bytes: Buffer) => this.takeBody(bytes));
    request.on("end", () => this.takeBodyEnd(safeTrailers(request.rawTrailers)));
  }

  protected pauseBody(): void {
    this.#request.pause();
  }

  protected resumeBody(): void {
    this.#request.resume();
  }

  protected collectBody(limitBytes: number): Promise<Uint8Array | "too_large"> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array | "too_large">();
    const request = this.#request;
    const pieces: Buffer[] = [];
    this.#continue();
    request.on("data", (bytes: Buffer) => {
      this.requestBytes += bytes.length;
      if (this.requestBytes <= limitBytes) return void pieces.push(bytes);
      request.pause();
      resolve("too_large");
    });
    request.on("end", () => resolve(Buffer.concat(pieces)));
    return promise;
  }

  /** The body is wanted now (RFC 9110 10.1.1). */
  #continue(): void {
    if (!this.arrival.fields.expectsContinue || this.#hasContinued) return;
    this.#hasContinued = true;
    this.#response.writeContinue();
  }

  protected onOver(): void {
    this.#connection.remove(this);
  }
}
