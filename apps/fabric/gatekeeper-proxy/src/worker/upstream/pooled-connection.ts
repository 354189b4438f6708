import type { AttemptTimeouts, CoarseTime, Endpoint, OutgoingRequest, ResponseSink, UpstreamCall } from "./upstream.ts";

/** A connection of HTTP/1.1 as the pool sees it: one request at a time, given back only if both messages ended as they should. */
export interface PooledConnection extends UpstreamCall {
  readonly openedAtMs: number;
  readonly idleSinceMs: number;
  /** From `Keep-Alive: timeout=` of the last answer; -1 without. */
  readonly idleHintMs: number;
  readonly requests: number;
  /** Send as soon as it is connected. */
  begin(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): void;
  /** Idle and too old, or retired. */
  close(): void;
  checkDeadline(nowMs: number): void;
}

export interface ConnectionOwner {
  /** May take another request. */
  onIdle(connection: PooledConnection): void;
  onClosed(connection: PooledConnection): void;
}

export type OpenConnection = (endpoint: Endpoint, owner: ConnectionOwner, time: CoarseTime) => PooledConnection;
