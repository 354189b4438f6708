import type { IncomingMessage } from "node:http";
import { DrawbridgeError } from "@drawbridge/errors";

/**
 * The bytes of a body as they come. The clock of the idle limit runs only while we wait for the sender, not while others have
 * their turn.
 * @throws DrawbridgeError `UPLOAD_INTERRUPTED` (cancelled) when the sender is gone or stands still
 */
export async function* readBody(request: IncomingMessage, idleMs: number): AsyncGenerator<Uint8Array> {
  const { socket } = request;
  const onIdle = (): void => void request.destroy(new Error("no bytes arrived within the idle limit"));
  socket.setTimeout(idleMs, onIdle);
  try {
    for await (const chunk of request as AsyncIterable<unknown>) {
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
