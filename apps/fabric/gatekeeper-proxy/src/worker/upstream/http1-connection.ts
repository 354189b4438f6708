import { connect, type Socket } from "node:net";
import { readBytes } from "./body-piece.ts";
import type { ConnectionOwner, PooledConnection } from "./pooled-connection.ts";
import type { ResponseHead } from "./response-head.ts";
import { ResponseReader, type ReadOutcome } from "./response-reader.ts";
import type {
  AttemptTimeouts,
  CoarseTime,
  Endpoint,
  OutgoingRequest,
  ResponseSink,
  UpstreamFailure,
} from "./upstream.ts";

/** All connections of the thread read into it, one after another: a read and its processing are one turn. */
const readBuffer = Buffer.allocUnsafeSlow(readBytes);

/*
 * Invariants:
 * - One request at a time. A connection goes back to its pool only if request and answer both ended exactly where their
 *   framing says, the replica wants to keep it, and no further byte came. Anything else destroys it.
 * - The sink hears of the end only after the connection was given back or destroyed.
 */
export class Http1Connection implements PooledConnection {
  readonly openedAtMs: number;
  isConnected = false;
  idleSinceMs = 0;
  /** From `Keep-Alive: timeout=` of the last answer; -1 without. */
  idleHintMs = -1;
  requests = 0;
  /** When what is awaited must have come; 0: nothing is awaited. */
  deadlineMs = 0;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #time: CoarseTime;
  readonly #reader = new ResponseReader();
  #sink: ResponseSink | undefined = undefined;
  #request: OutgoingRequest | undefined = undefined;
  #timeouts: AttemptTimeouts | undefined = undefined;
  #isRequestDone = false;
  #unsent = 0;
  #isClosed = false;
  #isPaused = false;

  constructor(endpoint: Endpoint, owner: ConnectionOwner, time: CoarseTime) {
    this.#owner = owner;
    this.#time = time;
    this.openedAtMs = time.nowMs;
    const socket = connect({
      host: endpoint.address,
      port: endpoint.port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: (size) => this.#onRead(size) },
    });
    this.#socket = socket;
    socket.on("connect", () => this.#onConnect());
    socket.on("drain", () => this.#onDrain());
    socket.on("error", () => undefined); // "close" follows
    socket.on("end", () => this.#onPeerEnd());
    socket.on("close", () => this.#onClose());
  }

  /** Send as soon as it is connected. */
  begin(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): void {
    this.#sink = sink;
    this.#request = request;
    this.#timeouts = timeouts;
    this.#isRequestDone = false;
    this.requests += 1;
    if (this.isConnected) this.#send(request, timeouts);
    else this.deadlineMs = this.#time.nowMs + timeouts.connectMs;
  }

  #send(request: OutgoingRequest, timeouts: AttemptTimeouts): void {
    const { bodyLength, method } = request;
    this.#reader.begin(this, { isHeadRequest: method === "HEAD", isUpgradeRequest: false });
    let head = `${method} ${request.target} HTTP/1.1\r\n${request.fieldLines}`;
    if (bodyLength === 0) {
      head += method === "POST" || method === "PUT" || method === "PATCH" ? "content-length: 0\r\n\r\n" : "\r\n";
      this.#socket.write(head, "latin1");
      this.#onRequestDone(timeouts);
      return;
    }
    head += bodyLength > 0 ? `content-length: ${bodyLength}\r\n\r\n` : "transfer-encoding: chunked\r\n\r\n";
    this.#unsent = bodyLength;
    // What the client sent with its head comes in this turn of the loop: one write carries both.
    this.#socket.cork();
    this.#socket.write(head, "latin1");
    setImmediate(uncork, this.#socket);
    this.deadlineMs = this.#time.nowMs + timeouts.idleMs;
  }

  write(bytes: Uint8Array): boolean {
    const { bodyLength = 0 } = this.#request ?? {};
    if (this.#isClosed || bytes.length === 0) return true;
    this.deadlineMs = this.#time.nowMs + (this.#timeouts?.idleMs ?? 0);
    if (bodyLength >= 0) {
      this.#unsent -= bytes.length;
      if (this.#unsent < 0) {
        this.#fail("reset", "more body than its length");
        return true;
      }
      return this.#socket.write(bytes);
    }
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`, "latin1");
    this.#socket.write(bytes);
    const hasRoom = this.#socket.write("\r\n", "latin1");
    setImmediate(uncork, this.#socket);
    return hasRoom;
  }

  end(trailers: readonly string[]): void {
    if (this.#isClosed || this.#timeouts === undefined) return;
    if ((this.#request?.bodyLength ?? 0) >= 0) {
      if (this.#unsent !== 0) return this.#fail("reset", "less body than its length");
    } else {
      let text = "0\r\n";
      for (let index = 0; index + 1 < trailers.length; index += 2)
        text += `${trailers[index]}: ${trailers[index + 1]}\r\n`;
      this.#socket.write(`${text}\r\n`, "latin1");
    }
    this.#onRequestDone(this.#timeouts);
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  abort(): void {
    this.#sink = undefined;
    this.#destroy();
  }

  /** Idle and too old, or retired. */
  close(): void {
    this.#destroy();
  }

  checkDeadline(nowMs: number): void {
    if (this.deadlineMs === 0 || nowMs < this.deadlineMs) return;
    if (!this.isConnected) this.#fail("unreachable", "no connection in time");
    else this.#fail(this.#reader.head === undefined ? "timeout" : "truncated", "no progress in time");
  }

  #onRequestDone({ responseMs }: AttemptTimeouts): void {
    this.#isRequestDone = true;
    if (this.#reader.head === undefined) this.deadlineMs = responseMs === 0 ? 0 : this.#time.nowMs + responseMs;
  }

  #onConnect(): void {
    this.isConnected = true;
    const request = this.#request;
    const timeouts = this.#timeouts;
    if (request === undefined || timeouts === undefined || this.#sink === undefined) return;
    this.#send(request, timeouts);
    this.#sink.onConnected(this);
  }

  #onDrain(): void {
    this.deadlineMs = this.#time.nowMs + (this.#timeouts?.idleMs ?? 0);
    this.#sink?.onDrain();
  }

  #onRead(size: number): boolean {
    if (this.#sink === undefined) {
      this.#destroy(); // nobody asked for anything
      return true;
    }
    return this.#take(this.#reader.read(size === readBuffer.length ? readBuffer : readBuffer.subarray(0, size)));
  }

  /** @returns whether to go on reading. */
  #take(outcome: ReadOutcome): boolean {
    switch (outcome) {
      case "done":
        this.#complete();
        return true;
      case "more":
        break;
      case "malformed":
      case "switched":
        this.#fail("malformed", this.#reader.problem);
        return true;
    }
    if (this.#reader.head !== undefined && this.deadlineMs !== 0) {
      this.deadlineMs = this.#time.nowMs + (this.#timeouts?.idleMs ?? 0);
    }
    if (!this.#reader.wantsPause) return true;
    this.#reader.wantsPause = false;
    this.#isPaused = true;
    return false;
  }

  onInformational(head: ResponseHead): void {
    this.#sink?.onInformational(head);
  }

  onHead(head: ResponseHead, isBodyNext: boolean): void {
    this.deadlineMs = head.isEventStream ? 0 : this.#time.nowMs + (this.#timeouts?.idleMs ?? 0);
    this.#sink?.onHead(head, isBodyNext);
  }

  onBody(bytes: Buffer, isLast: boolean): boolean {
    return this.#sink === undefined || this.#sink.onBody(bytes, isLast);
  }

  get takesText(): boolean {
    return this.#sink?.takesText === true;
  }

  onText(text: string): void {
    this.#sink?.onText?.(text);
  }

  #complete(): void {
    const sink = this.#sink;
    const { head, trailers, hasSurplus } = this.#reader;
    this.#sink = undefined;
    this.#request = undefined;
    this.deadlineMs = 0;
    this.idleHintMs = head?.idleHintMs ?? -1;
    if (head?.mayKeepAlive === true && this.#isRequestDone && !hasSurplus && !this.#isClosed) {
      this.#reader.begin(this, { isHeadRequest: false, isUpgradeRequest: false });
      this.idleSinceMs = this.#time.nowMs;
      this.#owner.onIdle(this);
    } else {
      this.#destroy();
    }
    sink?.onEnd(trailers);
  }

  #onPeerEnd(): void {
    if (this.#sink !== undefined && this.#reader.readEnd() === "done") this.#complete();
    else this.#destroy();
  }

  #onClose(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#forget();
    if (sink === undefined) return;
    if (!this.isConnected) sink.onFailure("unreachable", "no connection");
    else if (this.#reader.head !== undefined) sink.onFailure("truncated", "connection broke");
    else if (this.requests > 1 && !this.#reader.hasBegun) sink.onFailure("stale", "idle connection broke");
    else sink.onFailure("reset", "connection broke");
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#destroy();
    sink?.onFailure(failure, detail);
  }

  #destroy(): void {
    this.#socket.destroy();
    this.#forget();
  }

  /** Its place in the pool is free at once, not when the system has closed it. */
  #forget(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.deadlineMs = 0;
    this.#owner.onClosed(this);
  }
}

function uncork(socket: Socket): void {
  socket.uncork();
}
