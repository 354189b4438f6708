import type { ResponseHead } from "./response-head.ts";

export interface Endpoint {
  readonly replicaId: string;
  readonly address: string;
  readonly port: number;
  /** Absent: HTTP/1.1. */
  readonly protocol?: "http1" | "h2c";
}

/** A request as a replica gets it; framing and Connection are the upstream's own. */
export interface OutgoingRequest {
  readonly method: string;
  /** Origin form. */
  readonly target: string;
  readonly authority: string;
  /** "name: value\r\n" of each field, Latin-1, checked. Without framing. */
  readonly fieldLines: string;
  /** Bytes of the body: -1 if unknown, 0 for none. */
  readonly bodyLength: number;
  /**
   * any: it can be repeated, so an idle connection may turn out to be closed. recent: only one that was idle for less than
   * the keep-alive of any common server. fresh: a new one.
   */
  readonly connection: "any" | "recent" | "fresh";
}

/**
 * unreachable: no connection, nothing was sent. busy: no place in the pool in time. stale: a connection that had been idle
 * broke before any byte of an answer. reset: broke before the head of an answer. timeout: nothing came in time. malformed:
 * what came is no HTTP. truncated: broke off after the head.
 */
export type UpstreamFailure = "unreachable" | "busy" | "stale" | "reset" | "timeout" | "malformed" | "truncated";

/** Who gets an answer. After `onEnd` or `onFailure` nothing more comes, and the call belongs to somebody else. */
export interface ResponseSink {
  /** The body may be written from now on, to this call; not called where `start` returned one that is connected. */
  onConnected(call: UpstreamCall): void;
  /** 102, 103. */
  onInformational(head: ResponseHead): void;
  /** `isBodyNext`: the first piece of the body, or the end, follows at once. */
  onHead(head: ResponseHead, isBodyNext: boolean): void;
  /** The bytes are the sink's own. False: stop until `resume`. */
  onBody(bytes: Buffer, isLast: boolean): boolean;
  /** A short body may come as a whole and as text, each byte a character: after `onHead`, in place of `onBody`. */
  readonly takesText?: boolean;
  onText?(text: string): void;
  onEnd(trailers: readonly string[]): void;
  /** `detail` is for logs. */
  onFailure(failure: UpstreamFailure, detail: string): void;
  /** Room again after `write` was false. */
  onDrain(): void;
}

/** Milliseconds. */
export interface AttemptTimeouts {
  readonly connectMs: number;
  /** From the end of the request to the head; 0 for none. */
  readonly responseMs: number;
  /** Between two pieces of the answer, and while the request's body makes no progress. */
  readonly idleMs: number;
}

/** An attempt under way. */
export interface UpstreamCall {
  readonly isConnected: boolean;
  /** False: wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** The body is complete. */
  end(trailers: readonly string[]): void;
  resume(): void;
  /** The client is gone or the request is over for another reason; nothing more is told. */
  abort(): void;
}

/** A way to one replica. */
export interface Upstream {
  start(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): UpstreamCall;
  /** Once in a while, for what is too old. */
  tick(nowMs: number): void;
  /** No new requests come; idle connections close now, the others when they are done. */
  retire(): void;
}

/** Monotonic milliseconds, as fresh as the last tick. */
export interface CoarseTime {
  readonly nowMs: number;
}
