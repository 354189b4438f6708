import type { Socket } from "node:net";
import type { Clock } from "@drawbridge/lifecycle";
import { parseProxyHeader, type ProxyHeader } from "./proxy-header.ts";

/**
 * Read the PROXY header that `socket`, paused and not read yet, has to begin with; what came after it is put back, and the
 * socket is as it was. `onEnd` is called once: never after the socket was closed, and with a reason if there is no header or it
 * did not come in time.
 */
export function readProxyHeader(
  socket: Socket,
  { timeoutMs, clock }: { readonly timeoutMs: number; readonly clock: Pick<Clock, "sleep"> },
  onEnd: (header: Exclude<ProxyHeader, { readonly state: "incomplete" }>) => void,
): void {
  let seen = Buffer.alloc(0);
  const over = new AbortController();
  clock.sleep(timeoutMs, over.signal).then(
    () => end({ state: "invalid", reason: "no PROXY header in time" }),
    () => undefined, // it came, or the connection went away
  );

  function read(): void {
    for (let chunk = readChunk(socket); chunk; chunk = readChunk(socket)) seen = Buffer.concat([seen, chunk]);
    const header = parseProxyHeader(seen);
    if (header.state === "incomplete") return;
    if (header.state === "complete" && seen.length > header.lengthBytes) {
      const rest = seen.subarray(header.lengthBytes);
      stop();
      socket.unshift(rest);
    }
    end(header);
  }

  function stop(): void {
    over.abort();
    socket.off("readable", read);
    socket.off("end", onHalfClose);
    socket.off("close", stop);
  }

  function end(header: Exclude<ProxyHeader, { readonly state: "incomplete" }>): void {
    stop();
    onEnd(header);
  }

  function onHalfClose(): void {
    if (seen.length > 0) end({ state: "invalid", reason: "the connection ended in the PROXY header" });
    else socket.destroy(); // a balancer looks whether the port is open: nothing to tell
  }
  socket.on("readable", read);
  socket.once("end", onHalfClose);
  socket.once("close", stop);
}

function readChunk(socket: Socket): Buffer | undefined {
  const chunk: unknown = socket.read();
  return Buffer.isBuffer(chunk) ? chunk : undefined;
}
