import type { Server } from "node:http";
import { createServer as createHttpsServer, Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Listener } from "../../workers/protocol.ts";
import type { Front, FrontHost } from "./front.ts";
import { createHttp1Server, http1Options, serveHttp1 } from "./http1-server.ts";
import { serveHttp2, type Http2Front } from "./http2-server.ts";

const backlog = 1_024;

/** A listener: HTTP/1.1, and behind TLS also HTTP/2 where the client asks for it (ALPN). */
export function createFront(first: Listener, host: FrontHost): Front {
  const current = { listener: first, target: first.target };
  const sockets = new Set<Socket>();
  const { server, http2 } = first.tls === undefined ? plainServer() : secureServer(first.tls);
  serveHttp1(server, host, current);
  let isAccepting = true;

  function plainServer(): { server: Server; http2: Http2Front | undefined } {
    return { server: createHttp1Server(host.context.settings), http2: undefined };
  }

  function secureServer(tls: NonNullable<Listener["tls"]>): { server: HttpsServer; http2: Http2Front } {
    const secure = createHttpsServer({
      ...http1Options(host.context.settings),
      cert: tls.certificateChainPem,
      key: tls.privateKeyPem,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: host.context.settings.headersTimeoutMs,
    });
    const front = serveHttp2(host, current);
    // Which protocol a connection speaks is known when its handshake is over: HTTP/1.1 stays with node's own listener.
    const onHttp1 = secure.listeners("secureConnection");
    secure.removeAllListeners("secureConnection");
    secure.on("secureConnection", (socket: TLSSocket) => {
      if (socket.alpnProtocol === "h2") return front.accept(socket);
      for (const listener of onHttp1) listener.call(secure, socket);
    });
    return { server: secure, http2: front };
  }

  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    if (!host.admit(address)) return void socket.destroy();
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      host.release(address);
    });
  });

  return {
    listen: () => listenOn(server, first),
    isAt: (listener) =>
      listener.address === first.address &&
      listener.port === first.port &&
      (listener.tls === undefined) === (first.tls === undefined),
    update(listener) {
      const isSameKey = listener.tls?.certificateChainPem === current.listener.tls?.certificateChainPem;
      if (listener.tls !== undefined && !isSameKey && server instanceof HttpsServer) {
        server.setSecureContext({ cert: listener.tls.certificateChainPem, key: listener.tls.privateKeyPem });
      }
      current.listener = listener;
      current.target = listener.target;
    },
    startDraining: () => http2?.goAway(),
    stopAccepting() {
      if (!isAccepting) return;
      isAccepting = false;
      http2?.goAway();
      server.close();
    },
    closeIdle: () => server.closeIdleConnections(),
    get connections() {
      return sockets.size;
    },
  };
}

function listenOn(server: Server, { address, port }: Listener): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const onError = (error: NodeJS.ErrnoException): void => resolve(error.code ?? "unknown");
  server.once("error", onError);
  server.listen({ host: address, port, backlog, reusePort: true }, () => {
    server.removeListener("error", onError);
    server.on("error", () => undefined); // of accept: no file descriptors for a moment
    resolve(undefined);
  });
  return promise;
}
