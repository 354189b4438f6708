import {
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from "node:http2";
import { fieldKind, isFieldValue, isToken, kindOf } from "../request/field-kind.ts";
import { decimal, type ResponseHead } from "./response-head.ts";
import type {
  AttemptTimeouts,
  CoarseTime,
  OutgoingRequest,
  ResponseSink,
  UpstreamCall,
  UpstreamFailure,
} from "./upstream.ts";

interface CallOptions {
  readonly request: OutgoingRequest;
  readonly sink: ResponseSink;
  readonly timeouts: AttemptTimeouts;
  readonly time: CoarseTime;
  readonly onOver: (call: Http2Call) => void;
}

/** One request on a connection of HTTP/2. */
export class Http2Call implements UpstreamCall {
  isConnected = false;
  readonly #options: CallOptions;
  #sink: ResponseSink | undefined;
  #stream: ClientHttp2Stream | undefined = undefined;
  #deadlineMs: number;
  #isAnswered = false;
  #answerTrailers: readonly string[] = [];
  #requestTrailers: readonly string[] = [];
  #unsent: number;

  constructor(options: CallOptions) {
    this.#options = options;
    this.#sink = options.sink;
    this.#deadlineMs = options.time.nowMs + options.timeouts.connectMs;
    this.#unsent = options.request.bodyLength;
  }

  open(session: ClientHttp2Session): void {
    const { request, timeouts, time } = this.#options;
    if (this.#sink === undefined) return;
    const hasBody = request.bodyLength !== 0;
    if (session.closed || session.destroyed) return this.onNoConnection();
    const stream = session.request(headersOf(request), { endStream: !hasBody, waitForTrailers: hasBody });
    this.#stream = stream;
    this.isConnected = true;
    this.#deadlineMs = time.nowMs + (hasBody ? timeouts.idleMs : timeouts.responseMs);
    stream.on("response", (headers, flags) => this.#onResponse(headers, flags));
    stream.on("data", (bytes: Buffer) => {
      this.#touch();
      if (this.#sink?.onBody(bytes, false) === false) stream.pause();
    });
    stream.on("trailers", (headers) => (this.#answerTrailers = flatOf(headers)));
    stream.on("wantTrailers", () => stream.sendTrailers(trailersOf(this.#requestTrailers)));
    stream.on("drain", () => this.#sink?.onDrain());
    stream.on("end", () => this.#onEnd());
    stream.on("error", () => undefined); // "close" follows
    stream.on("close", () => this.#onClose(stream.rstCode));
  }

  /** The connection could not be made. */
  onNoConnection(): void {
    if (!this.isConnected) this.#fail("unreachable", "no connection");
  }

  write(bytes: Uint8Array): boolean {
    this.#touch();
    if (this.#options.request.bodyLength > 0) {
      this.#unsent -= bytes.length;
      if (this.#unsent < 0) {
        this.#fail("reset", "more body than its length");
        return true;
      }
    }
    return this.#stream?.write(bytes) ?? true;
  }

  end(trailers: readonly string[]): void {
    if (this.#options.request.bodyLength > 0 && this.#unsent !== 0)
      return this.#fail("reset", "less body than its length");
    this.#requestTrailers = trailers;
    if (!this.#isAnswered) this.#deadlineMs = this.#options.time.nowMs + this.#options.timeouts.responseMs;
    this.#stream?.end();
  }

  resume(): void {
    this.#stream?.resume();
  }

  abort(): void {
    this.#over();
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  checkDeadline(nowMs: number): void {
    if (this.#deadlineMs === 0 || nowMs < this.#deadlineMs) return;
    if (!this.isConnected) this.#fail("unreachable", "no connection in time");
    else this.#fail(this.#isAnswered ? "truncated" : "timeout", "no progress in time");
  }

  #touch(): void {
    if (this.#deadlineMs !== 0) this.#deadlineMs = this.#options.time.nowMs + this.#options.timeouts.idleMs;
  }

  #onResponse(headers: IncomingHttpHeaders & IncomingHttpStatusHeader, flags: number): void {
    this.#isAnswered = true;
    const head = headOf(headers, {
      hasBody: (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0 && this.#options.request.method !== "HEAD",
    });
    if (head === undefined) return this.#fail("malformed", "head");
    // A stream may be silent for as long as it likes: gRPC's are.
    this.#deadlineMs =
      head.isEventStream || isGrpc(headers) ? 0 : this.#options.time.nowMs + this.#options.timeouts.idleMs;
    this.#sink?.onHead(head, head.framing === "none");
  }

  #onEnd(): void {
    const sink = this.#sink;
    if (!this.#isAnswered || sink === undefined) return;
    this.#over();
    sink.onEnd(this.#answerTrailers);
    // An answer before the end of the request: the rest of it is not wanted.
    if (this.#stream?.writableEnded === false) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #onClose(code: number | undefined): void {
    if (this.#sink === undefined) return;
    if (this.#isAnswered) this.#fail("truncated", `stream reset: ${code}`);
    else this.#fail(code === constants.NGHTTP2_REFUSED_STREAM ? "stale" : "reset", `stream reset: ${code}`);
  }

  #fail(failure: UpstreamFailure, detail: string): void {
    const sink = this.#sink;
    this.#over();
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    sink?.onFailure(failure, detail);
  }

  #over(): void {
    if (this.#sink === undefined) return;
    this.#sink = undefined;
    this.#deadlineMs = 0;
    this.#options.onOver(this);
  }
}

const isGrpc = (headers: IncomingHttpHeaders): boolean =>
  headers["content-type"]?.startsWith("application/grpc") === true;

/** `fieldLines` were checked line by line: none holds a line end. */
function headersOf({ method, target, authority, fieldLines, bodyLength }: OutgoingRequest): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ":method": method,
    ":path": target,
    ":scheme": "http",
    ":authority": authority,
    te: "trailers",
  };
  for (const line of fieldLines.split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    if (colon <= 0 || name === "host") continue;
    add(headers, name, line.slice(colon + 2));
  }
  if (bodyLength > 0) headers["content-length"] = bodyLength;
  return headers;
}

function add(headers: OutgoingHttpHeaders, name: string, value: string): void {
  const known = headers[name];
  if (known === undefined) headers[name] = value;
  else headers[name] = Array.isArray(known) ? [...known, value] : [String(known), value];
}

function trailersOf(flat: readonly string[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (let index = 0; index + 1 < flat.length; index += 2)
    add(headers, (flat[index] ?? "").toLowerCase(), flat[index + 1] ?? "");
  return headers;
}

function flatOf(headers: IncomingHttpHeaders): string[] {
  const flat: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) flat.push(name, one);
  }
  return flat;
}

/** `undefined`: it cannot be said in HTTP/1.1 without another meaning. */
function headOf(
  headers: IncomingHttpHeaders & IncomingHttpStatusHeader,
  { hasBody }: { readonly hasBody: boolean },
): ResponseHead | undefined {
  const status = headers[":status"] ?? 0;
  if (status < 200 || status > 599) return undefined;
  const kept: string[] = [];
  let contentLength = -1;
  let isEventStream = false;
  const flat = flatOf(headers);
  for (let index = 0; index + 1 < flat.length; index += 2) {
    const name = flat[index] ?? "";
    const value = flat[index + 1] ?? "";
    if (!isToken(name) || !isFieldValue(value)) return undefined;
    switch (kindOf(name)) {
      case fieldKind.contentLength:
        contentLength = decimal(value);
        if (contentLength < 0) return undefined;
        break;
      case fieldKind.transferEncoding:
      case fieldKind.connection:
        return undefined;
      case fieldKind.hopByHop:
      case fieldKind.keepAlive:
      case fieldKind.upgrade:
      case fieldKind.te:
      case fieldKind.gateway:
        break;
      case fieldKind.contentType:
        isEventStream = value.toLowerCase().startsWith("text/event-stream");
        kept.push(name, value);
        break;
      default:
        kept.push(name, value);
    }
  }
  const isBodyless = !hasBody || status === 204 || status === 304;
  return {
    status,
    reason: "",
    headers: kept,
    framing: isBodyless ? "none" : contentLength < 0 ? "chunked" : contentLength === 0 ? "none" : "length",
    contentLength: status === 204 ? -1 : contentLength,
    mayKeepAlive: true,
    idleHintMs: -1,
    isEventStream,
    upgrade: "",
  };
}
