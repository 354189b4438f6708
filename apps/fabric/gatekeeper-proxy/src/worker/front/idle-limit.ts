import type { Socket } from "node:net";

/** What of a connection tells whether it is idle. */
interface WatchedConnection {
  /** No request is under way or waits. */
  readonly isIdle: boolean;
}

interface WatchedSocket extends Pick<Socket, "bytesRead" | "writableLength"> {
  destroy(): unknown;
}

interface Watch {
  readonly connection: WatchedConnection;
  bytesRead: number;
  /** Monotonic; -1 while it is not. */
  idleSinceMs: number;
}

const lookEveryMs = 1_000;
/** A client that keeps to what it was told must not meet a connection that is being closed. */
const graceMs = 1_000;

/**
 * Ends connections of HTTP/1.1 that bring no further request for too long. Node does the same with two timers for each
 * request; looking at all connections once a second costs nothing for a request, and ends them up to two seconds later.
 *
 * Invariant: a connection is ended only if between two looks, `timeoutMs` apart or more, it had no request, nothing to send
 * and not a byte came.
 */
export class IdleLimit {
  readonly #timeoutMs: number;
  readonly #watched = new Map<WatchedSocket, Watch>();
  #lookedMs = 0;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs + graceMs;
  }

  /** One that has brought a request: who never did has to send a head in time. */
  watch(socket: WatchedSocket, connection: WatchedConnection): void {
    this.#watched.set(socket, { connection, bytesRead: 0, idleSinceMs: -1 });
  }

  /** It is closed. */
  forget(socket: WatchedSocket): void {
    this.#watched.delete(socket);
  }

  tick(nowMs: number): void {
    if (nowMs - this.#lookedMs < lookEveryMs) return;
    this.#lookedMs = nowMs;
    for (const [socket, watch] of this.#watched) {
      if (!watch.connection.isIdle || socket.writableLength > 0) {
        watch.idleSinceMs = -1;
      } else if (watch.idleSinceMs < 0 || socket.bytesRead !== watch.bytesRead) {
        watch.idleSinceMs = nowMs;
        watch.bytesRead = socket.bytesRead;
      } else if (nowMs - watch.idleSinceMs >= this.#timeoutMs) {
        socket.destroy();
      }
    }
  }
}
