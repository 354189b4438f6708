import { connect } from "node:tls";
import type { TunnelClient, TunnelClientOptions } from "./tunnel-client.ts";

/** As many bytes as a hello has. */
const hello = Buffer.alloc(300);

/** The client of the bare TLS server: sends something and is connected when something comes back. */
export function openTlsClient(
  options: Pick<TunnelClientOptions, "secureContext" | "target" | "onConnected" | "onClosed">,
): TunnelClient {
  const socket = connect({
    host: "127.0.0.1",
    port: options.target.port,
    secureContext: options.secureContext,
    ALPNProtocols: ["h2"],
    checkServerIdentity: () => undefined, // one certificate authority, made for this run
  });
  let reason = "CLOSED";
  socket.on("error", (error: NodeJS.ErrnoException) => (reason = error.code ?? "ERROR"));
  socket.on("close", () => options.onClosed(reason));
  socket.once("data", () => options.onConnected({ heartbeatMs: 15_000, reconnectWindowMs: 2_000 }));
  socket.write(hello);
  return { heartbeat: () => void socket.write(hello), close: () => void socket.destroy() };
}
