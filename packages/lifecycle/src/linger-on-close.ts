import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** Time for the client to read its answer and to close; what it sends until then is thrown away. As nginx's `lingering_timeout`, ms. */
const lingerMs = 5_000;

/**
 * To be called before the end of an answer that may come before all of the request's body. If its connection closes behind it, node
 * closes both directions at once. To what the client goes on to send the kernel then replies with a reset, which takes the answer away
 * from a client that has not read it yet. So at first only our direction is closed (RFC 9112 9.6). A request that comes behind this
 * one finds `socket.writable` false: it must not be served.
 */
export function lingerOnClose(request: IncomingMessage): void {
  const { socket } = request;
  // Node's HTTP server calls it when the last answer of a connection is written.
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, "destroySoon"); // from here on its class's
    if (request.complete || !socket.writable) return socket.destroySoon();
    request.unpipe().removeAllListeners("data").removeAllListeners("readable").resume();
    endLingering(socket);
  };
}

/** The same for a connection without a request: write what is left, throw away what comes, and wait for the client to close. */
export function endLingering(socket: Duplex, last = ""): void {
  socket.end(last);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
}
