import { Server } from "node:net";
import type { Clock } from "./clock.ts";

/** A turn of the event loop that takes longer had other work in it, ms: connections may have come in behind its look at the socket. */
const shortTurnMs = 0.2;
const giveUpAfterMs = 1_000;

/**
 * Close a listening socket that shares its port (SO_REUSEPORT) with one that goes on. Linux resets the connections that this socket
 * has not accepted yet when it is closed (listen(2); unless `net.ipv4.tcp_migrate_req` is 1), and under load there are always some.
 * So it is closed at the end of a turn of the event loop that was short and accepted none, when its queue was empty microseconds
 * ago; after a second in any case. Not `server.close()`: of node:http that cuts connections on which a request is just being sent.
 */
export function stopAccepting(server: Server, clock: Pick<Clock, "monotonicMs">, closed: () => void): void {
  const startedMs = clock.monotonicMs();
  let accepted = 0;
  const count = (): void => void (accepted += 1);
  server.on("connection", count);

  function closeOrLookAgain(turnStartedMs: number, acceptedBefore: number): void {
    const nowMs = clock.monotonicMs();
    const isQuiet = accepted === acceptedBefore && nowMs - turnStartedMs < shortTurnMs;
    if (!isQuiet && nowMs - startedMs < giveUpAfterMs) {
      setImmediate(closeOrLookAgain, nowMs, accepted);
      return;
    }
    server.off("connection", count);
    Server.prototype.close.call(server, closed);
  }
  // Immediates run right behind the look at the sockets.
  setImmediate(closeOrLookAgain, Number.NEGATIVE_INFINITY, accepted);
}
