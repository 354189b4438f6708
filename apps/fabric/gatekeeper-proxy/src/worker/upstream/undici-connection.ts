import { connect, type Socket } from "node:net";
import { Readable } from "node:stream";
import { Client, errors, type Dispatcher } from "undici";
import type { ConnectionOwner, PooledConnection } from "./pooled-connection.ts";
import { parseResponseHead, type ResponseHead } from "./response-head.ts";
import { maxHeadBytes, maxInterimHeads } from "./response-reader.ts";
import type {
  AttemptTimeouts,
  CoarseTime,
  Endpoint,
  OutgoingRequest,
  ResponseSink,
  UpstreamFailure,
} from "./upstream.ts";

type Controller = Dispatcher.DispatchController;

/**
 * A connection that undici writes and reads, for replicas that our own client does not get on with. Pool, timeouts and what
 * may be repeated are the same. What is different: trailers of a request are left out, a body of unknown length brings its
 * head along only with its first bytes, a connection is not used again after HEAD, a `100 Continue` that nobody asked for
 * is refused, and the reason phrase is the usual one.
 *
 * Invariants: a client of undici is one connection and has one request; the fields that it read are held against the rules
 * of `parseResponseHead` before anybody sees them.
 */
export class UndiciConnection implements PooledConnection, Dispatcher.DispatchHandler {
  readonly openedAtMs: number;
  isConnected = false;
  idleSinceMs = 0;
  idleHintMs = -1;
  requests = 0;
  readonly #owner: ConnectionOwner;
  readonly #time: CoarseTime;
  readonly #client: Client;
  #socket: Socket | undefined = undefined;
  #requestsOfSocket = 0;
  #deadlineMs = 0;
  #sink: ResponseSink | undefined = undefined;
  #request: OutgoingRequest | undefined = undefined;
  #timeouts: AttemptTimeouts = { connectMs: 0, responseMs: 0, idleMs: 0 };
  #controller: Controller | undefined = undefined;
  #body: OutgoingBody | undefined = undefined;
  #head: ResponseHead | undefined = undefined;
  #received = 0;
  #interimHeads = 0;
  #hasBegun = false;
  #isRequestDone = false;
  #isClosed = false;

  constructor(endpoint: Endpoint, owner: ConnectionOwner, time: CoarseTime) {
    this.#owner = owner;
    this.#time = time;
    this.openedAtMs = time.nowMs;
    const { address, port } = endpoint;
    this.#client = new Client(`http://${address.includes(":") ? `[${address}]` : address}:${port}`, {
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: maxHeadBytes,
      // The pool has the deadlines.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 600_000,
      connect: (_options, callback) => {
        const socket = connect({ host: address, port, noDelay: true });
        this.#socket = socket;
        this.#requestsOfSocket = 0;
        const onError = (error: Error): void => callback(error, null);
        socket.once("error", onError);
        socket.once("connect", () => {
          socket.off("error", onError);
          callback(null, socket);
        });
      },
    });
    this.#client.on("disconnect", () => {
      if (this.#sink === undefined) this.#destroy();
    });
  }

  begin(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): void {
    this.#sink = sink;
    this.#request = request;
    this.#timeouts = timeouts;
    this.#controller = undefined;
    this.#head = undefined;
    this.#received = 0;
    this.#interimHeads = 0;
    this.#hasBegun = false;
    this.#isRequestDone = request.bodyLength === 0;
    this.requests += 1;
    this.#awaitWithin(timeouts.connectMs);
    this.#body = this.#isRequestDone ? undefined : new OutgoingBody(() => this.#onBodyWanted());
    const headers = fieldsOfLines(request.fieldLines);
    if (request.bodyLength > 0) headers.push("content-length", String(request.bodyLength));
    this.#client.dispatch({ method: request.method, path: request.target, headers, body: this.#body ?? null }, this);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#body === undefined || bytes.length === 0) return true;
    if (this.#controller !== undefined) this.#awaitWithin(this.#timeouts.idleMs);
    return this.#body.push(bytes);
  }

  end(): void {
    if (this.#isClosed) return;
    this.#isRequestDone = true;
    this.#body?.push(null);
    if (this.#controller !== undefined && this.#head === undefined) this.#awaitWithin(this.#timeouts.responseMs);
  }

  #onBodyWanted(): void {
    if (this.#controller !== undefined && !this.#isRequestDone) this.#awaitWithin(this.#timeouts.idleMs);
    this.#sink?.onDrain();
  }

  resume(): void {
    this.#controller?.resume();
  }

  abort(): void {
    this.#sink = undefined;
    this.#destroy();
  }

  close(): void {
    this.#destroy();
  }

  checkDeadline(nowMs: number): void {
    if (this.#deadlineMs === 0 || nowMs < this.#deadlineMs) return;
    if (this.#controller === undefined) this.#fail("unreachable", "no connection in time");
    else this.#fail(this.#head === undefined ? "timeout" : "truncated", "no progress in time");
  }

  /** 0: for ever. */
  #awaitWithin(ms: number): void {
    this.#deadlineMs = ms === 0 ? 0 : this.#time.nowMs + ms;
  }

  onRequestStart(controller: Controller): void {
    const wasConnected = this.isConnected;
    this.isConnected = true;
    this.#controller = controller;
    this.#requestsOfSocket += 1;
    this.#awaitWithin(this.#isRequestDone ? this.#timeouts.responseMs : this.#timeouts.idleMs);
    if (!wasConnected) this.#sink?.onConnected(this);
  }

  onResponseStarted(): void {
    this.#hasBegun = true;
  }

  onResponseStart(controller: Controller, status: number): void {
    const sink = this.#sink;
    if (sink === undefined) return;
    const fields = textsOf(controller.rawHeaders);
    let text = `HTTP/1.1 ${status} \r\n`;
    for (let index = 0; index + 1 < fields.length; index += 2) text += `${fields[index]}: ${fields[index + 1]}\r\n`;
    const head = parseResponseHead(text, { isHeadRequest: this.#request?.method === "HEAD", isUpgradeRequest: false });
    if (typeof head === "string") return this.#fail("malformed", head);
    if (head.status < 200) {
      this.#interimHeads += 1;
      if (this.#interimHeads > maxInterimHeads) return this.#fail("malformed", "too many interim heads");
      return sink.onInformational(head);
    }
    this.#head = head;
    this.#awaitWithin(head.isEventStream ? 0 : this.#timeouts.idleMs);
    sink.onHead(head, head.framing === "none");
  }

  onResponseData(controller: Controller, bytes: Buffer): void {
    const head = this.#head;
    const sink = this.#sink;
    if (head === undefined || sink === undefined) return;
    this.#received += bytes.length;
    if (this.#deadlineMs !== 0) this.#awaitWithin(this.#timeouts.idleMs);
    const isLast = head.framing === "length" && this.#received === head.contentLength;
    if (!sink.onBody(bytes, isLast) && !isLast) controller.pause();
  }

  onResponseEnd(controller: Controller): void {
    const trailers = textsOf(controller.rawTrailers);
    // Behind undici's own decision whether the connection is good for another request.
    queueMicrotask(() => this.#complete(trailers));
  }

  #complete(trailers: readonly string[]): void {
    const sink = this.#sink;
    const head = this.#head;
    this.#sink = undefined;
    this.#deadlineMs = 0;
    this.idleHintMs = head?.idleHintMs ?? -1;
    if (head?.mayKeepAlive === true && this.#isRequestDone && this.#socket?.destroyed === false && !this.#isClosed) {
      this.idleSinceMs = this.#time.nowMs;
      this.#owner.onIdle(this);
    } else {
      this.#destroy();
    }
    sink?.onEnd(trailers);
  }

  onResponseError(_controller: Controller | undefined, error: Error): void {
    this.#fail(this.#failureOf(error), error.name);
  }

  #failureOf(error: Error): UpstreamFailure {
    if (this.#controller === undefined) return "unreachable";
    if (malformedBy.some((kind) => error instanceof kind)) return "malformed";
    if (this.#head !== undefined) return "truncated";
    return this.#requestsOfSocket > 1 && !this.#hasBegun ? "stale" : "reset";
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#destroy();
    sink?.onFailure(failure, detail);
  }

  #destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadlineMs = 0;
    const reason = new errors.RequestAbortedError();
    this.#controller?.abort(reason);
    this.#body?.destroy();
    this.#socket?.destroy();
    void this.#client.destroy(reason);
    this.#owner.onClosed(this);
  }
}

const malformedBy = [errors.HTTPParserError, errors.HeadersOverflowError, errors.ResponseContentLengthMismatchError];

/** The body of a request on its way into undici. */
class OutgoingBody extends Readable {
  readonly #onWanted: () => void;

  constructor(onWanted: () => void) {
    super();
    this.#onWanted = onWanted;
    this.on("error", () => undefined); // the request fails with it
  }

  override _read(): void {
    this.#onWanted();
  }
}

function fieldsOfLines(lines: string): string[] {
  const fields: string[] = [];
  for (const line of lines.split("\r\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields.push(line.slice(0, colon), line.slice(colon + 2));
  }
  return fields;
}

/** Latin-1, as the other client reads fields. HTTP/1.1 gives buffers. */
function textsOf(raw: Controller["rawHeaders"]): string[] {
  return Array.isArray(raw) ? raw.map((item) => (typeof item === "string" ? item : item.toString("latin1"))) : [];
}
