import type { ConnectionOwner, OpenConnection, PooledConnection } from "./pooled-connection.ts";
import type {
  AttemptTimeouts,
  CoarseTime,
  Endpoint,
  OutgoingRequest,
  ResponseSink,
  Upstream,
  UpstreamCall,
} from "./upstream.ts";

export interface PoolLimits {
  /** Connections to one replica. */
  readonly connections: number;
  /** Requests waiting for one of them. */
  readonly waiting: number;
  readonly waitMs: number;
  /** An idle connection is not used any more after so long, or a second before the replica closes it. */
  readonly idleMs: number;
  /** For requests that cannot be repeated: shorter than the keep-alive of any common server. */
  readonly cautiousIdleMs: number;
  readonly requestsPerConnection: number;
  readonly connectionAgeMs: number;
}

export const defaultPoolLimits: PoolLimits = {
  connections: 256,
  waiting: 1_024,
  waitMs: 5_000,
  idleMs: 4_000,
  cautiousIdleMs: 1_000,
  requestsPerConnection: 10_000,
  connectionAgeMs: 600_000,
};

/**
 * Connections to one replica: the one used last is used first, so that few stay warm and the others age out.
 *
 * Invariants: every connection is in `#open` until it is closed and in `#idle` only between two requests; a request waits
 * only while all places are taken.
 */
export class Http1Upstream implements Upstream, ConnectionOwner {
  readonly #endpoint: Endpoint;
  readonly #time: CoarseTime;
  readonly #limits: PoolLimits;
  readonly #connect: OpenConnection;
  readonly #open = new Set<PooledConnection>();
  readonly #idle: PooledConnection[] = [];
  readonly #waiting = new Set<WaitingCall>();
  #isRetired = false;

  // oxlint-disable-next-line eslint/max-params -- built in one place
  constructor(endpoint: Endpoint, time: CoarseTime, connect: OpenConnection, limits: PoolLimits = defaultPoolLimits) {
    this.#endpoint = endpoint;
    this.#time = time;
    this.#connect = connect;
    this.#limits = limits;
  }

  start(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): UpstreamCall {
    const idle = request.connection === "fresh" ? undefined : this.#takeIdle(request.connection);
    if (idle !== undefined) {
      idle.begin(request, sink, timeouts);
      return idle;
    }
    if (this.#open.size < this.#limits.connections) return this.#openFor(request, sink, timeouts);
    const waiting = new WaitingCall(request, sink, timeouts, this.#time.nowMs + this.#limits.waitMs, this.#waiting);
    if (this.#waiting.size >= this.#limits.waiting) waiting.refuse("too many requests wait");
    else this.#waiting.add(waiting);
    return waiting;
  }

  #openFor(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): PooledConnection {
    const connection = this.#connect(this.#endpoint, this, this.#time);
    this.#open.add(connection);
    connection.begin(request, sink, timeouts);
    return connection;
  }

  /** The newest; if even that is too old, so are all others. */
  #takeIdle(allowed: "any" | "recent"): PooledConnection | undefined {
    const connection = this.#idle.at(-1);
    if (connection === undefined) return undefined;
    const idleMs = this.#time.nowMs - connection.idleSinceMs;
    if (idleMs >= this.#allowedIdleMs(connection)) {
      for (const old of this.#idle.splice(0)) old.close();
      return undefined;
    }
    if (allowed === "recent" && idleMs >= this.#limits.cautiousIdleMs) return undefined;
    this.#idle.pop();
    return connection;
  }

  #allowedIdleMs({ idleHintMs }: PooledConnection): number {
    return idleHintMs < 0 ? this.#limits.idleMs : Math.min(this.#limits.idleMs, idleHintMs - 1_000);
  }

  onIdle(connection: PooledConnection): void {
    const isWorn =
      this.#isRetired ||
      connection.requests >= this.#limits.requestsPerConnection ||
      this.#time.nowMs - connection.openedAtMs >= this.#limits.connectionAgeMs;
    if (isWorn) return connection.close();
    const next = this.#nextWaiting();
    if (next === undefined) this.#idle.push(connection);
    else next.go(connection);
  }

  onClosed(connection: PooledConnection): void {
    this.#open.delete(connection);
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
    const next = this.#nextWaiting();
    if (next === undefined) return;
    const fresh = this.#connect(this.#endpoint, this, this.#time);
    this.#open.add(fresh);
    next.go(fresh);
  }

  #nextWaiting(): WaitingCall | undefined {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      return next;
    }
    return undefined;
  }

  tick(nowMs: number): void {
    for (const connection of this.#open) connection.checkDeadline(nowMs);
    const old = this.#idle.filter((connection) => nowMs - connection.idleSinceMs >= this.#allowedIdleMs(connection));
    for (const connection of old) connection.close();
    for (const waiting of this.#waiting) {
      if (nowMs < waiting.deadlineMs) break; // in the order they came
      this.#waiting.delete(waiting);
      waiting.refuse("no place in time");
    }
  }

  retire(): void {
    this.#isRetired = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}

/** A request without a connection yet. */
class WaitingCall implements UpstreamCall {
  readonly isConnected = false;
  readonly deadlineMs: number;
  readonly #request: OutgoingRequest;
  readonly #timeouts: AttemptTimeouts;
  readonly #queue: Set<WaitingCall>;
  #sink: ResponseSink | undefined;
  #connection: PooledConnection | undefined = undefined;

  // oxlint-disable-next-line eslint/max-params -- built in one place
  constructor(
    request: OutgoingRequest,
    sink: ResponseSink,
    timeouts: AttemptTimeouts,
    deadlineMs: number,
    queue: Set<WaitingCall>,
  ) {
    this.#request = request;
    this.#sink = sink;
    this.#timeouts = timeouts;
    this.deadlineMs = deadlineMs;
    this.#queue = queue;
  }

  go(connection: PooledConnection): void {
    const sink = this.#sink;
    if (sink === undefined) return connection.close();
    this.#connection = connection;
    connection.begin(this.#request, sink, this.#timeouts);
    if (connection.isConnected) sink.onConnected(connection);
  }

  refuse(detail: string): void {
    const sink = this.#sink;
    this.#sink = undefined;
    setImmediate(() => sink?.onFailure("busy", detail));
  }

  write(): boolean {
    return true; // nothing is written before onConnected
  }

  end(): void {
    // as above
  }

  resume(): void {
    // nothing was paused
  }

  abort(): void {
    this.#sink = undefined;
    this.#queue.delete(this);
    this.#connection?.abort();
  }
}
