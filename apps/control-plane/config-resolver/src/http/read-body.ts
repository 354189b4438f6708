import type { IncomingMessage } from "node:http";
import { DrawbridgeError } from "@drawbridge/errors";

/** Read and thrown away at most, so that an early answer arrives. */
const maxDiscardedBytes = 64 * 1024 * 1024;

/**
 * The bytes of a body as they come. The clock of the idle limit runs only once it is our turn to read. A reader that leaves
 * early leaves the rest for `discardBody`.
 * @throws DrawbridgeError `UPLOAD_INTERRUPTED` (cancelled) when the sender is gone or stands still
 */
export async function* readBody(request: IncomingMessage, idleMs: number): AsyncGenerator<Uint8Array> {
  const { socket } = request;
  const onIdle = (): void => void request.destroy(new Error("no bytes arrived within the idle limit"));
  socket.setTimeout(idleMs, onIdle);
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      if (chunk instanceof Uint8Array) yield chunk;
    }
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "cancelled",
      code: "UPLOAD_INTERRUPTED",
      message: "the upload broke off; what arrived is kept, ask with HEAD where to go on",
      cause,
    });
  } finally {
    socket.setTimeout(0);
    socket.off("timeout", onIdle);
  }
}

/**
 * Take in what is left of a body before an answer goes out: a connection that is closed with unread bytes is reset, and the answer
 * can get lost with it (RFC 9112 9.6). Whoever sends more than is reasonable takes that risk.
 */
export async function discardBody(request: IncomingMessage, idleMs: number): Promise<void> {
  let discardedBytes = 0;
  try {
    for await (const chunk of readBody(request, idleMs)) {
      discardedBytes += chunk.byteLength;
      if (discardedBytes > maxDiscardedBytes) break;
    }
  } catch {
    // the sender is gone: there is nobody to answer to
  }
  request.resume();
}
