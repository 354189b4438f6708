import type { Server } from "node:http";
import { createServer as createHttpsServer, Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket, type SecureContext } from "node:tls";
import { stopAccepting } from "@drawbridge/lifecycle";
import type { Listener } from "../../workers/protocol.ts";
import { hostName } from "../route/host-table.ts";
import type { Front, FrontHost } from "./front.ts";
import { createHttp1Server, http1Options, serveHttp1 } from "./http1-server.ts";
import { serveHttp2, type Http2Front } from "./http2-server.ts";
import { isByName, refuseServerName, ServerIdentities, serverPair } from "./server-identities.ts";

const backlog = 1_024;

/** A listener: HTTP/1.1, and behind TLS also HTTP/2 where the client asks for it (ALPN). */
export function createFront(first: Listener, host: FrontHost): Front {
  const current = { listener: first, target: first.target, serverNameOf };
  const identities = isByName(first.tls) ? new ServerIdentities(first.tls) : undefined;
  /** By the client's address and port. */
  const sockets = new Map<string, Socket>();
  const { server, http2 } = first.tls === undefined ? plainServer() : secureServer(first.tls);
  const idleLimit = serveHttp1(server, host, current);
  let isAccepting = true;

  function plainServer(): { server: Server; http2: Http2Front | undefined } {
    return { server: createHttp1Server(host.context.settings), http2: undefined };
  }

  function secureServer(tls: NonNullable<Listener["tls"]>): { server: HttpsServer; http2: Http2Front } {
    const secure = createHttpsServer({
      ...http1Options(host.context.settings),
      ...serverPair(tls),
      ...(identities && { SNICallback: chooseIdentity(identities) }),
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: host.context.settings.headersTimeoutMs,
    });
    // Nobody is there to read an answer before the handshake is over. One that is written all the same waits in the connection,
    // and if the handshake does end, HTTP/2's first write beside it aborts the process.
    secure.removeAllListeners("tlsClientError");
    secure.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
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

  /** Called with the TLS socket as `this`; the connection below it takes the alert. */
  function chooseIdentity(among: ServerIdentities) {
    return function (this: unknown, serverName: string, done: (error: Error | null, context?: SecureContext) => void) {
      const context = among.find(serverName);
      if (context !== undefined) return done(null, context);
      const socket = this instanceof TLSSocket ? sockets.get(peerOf(this)) : undefined;
      if (socket !== undefined) refuseServerName(socket);
      done(new Error("no certificate has this name"));
    };
  }

  function serverNameOf(socket: Socket): string {
    if (identities === undefined || !(socket instanceof TLSSocket)) return "";
    // Documented for sockets of a server; false without SNI. The types know it for clients only.
    const { servername } = socket as { readonly servername?: string | false };
    return typeof servername === "string" ? hostName(servername) : "";
  }

  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    if (!host.admit(address)) return void socket.destroy();
    const peer = peerOf(socket);
    sockets.set(peer, socket);
    socket.once("close", () => {
      sockets.delete(peer);
      host.release(address);
    });
  });

  return {
    listen: () => listenOn(server, first),
    isAt: (listener) =>
      listener.address === first.address &&
      listener.port === first.port &&
      (listener.tls === undefined) === (first.tls === undefined) &&
      isByName(listener.tls) === isByName(first.tls),
    update(listener) {
      const { tls } = listener;
      if (tls !== undefined && server instanceof HttpsServer) {
        const pair = serverPair(tls);
        const before = current.listener.tls && serverPair(current.listener.tls);
        if (pair.cert !== before?.cert || pair.key !== before?.key) server.setSecureContext(pair);
        if (isByName(tls)) identities?.update(tls);
      }
      current.listener = listener;
      current.target = listener.target;
    },
    isOf: (appId) => current.target.kind === "app" && current.target.appId === appId,
    startDraining: () => http2?.goAway(),
    stopAccepting() {
      if (!isAccepting) return;
      isAccepting = false;
      http2?.goAway();
      // node:http's own close ends its look for clients that are too slow, so it comes last: one that says nothing at all would
      // hold up the end.
      stopAccepting(server, { monotonicMs: host.context.preciseMs }, () => server.close());
    },
    closeIdle: () => server.closeIdleConnections(),
    tick: (nowMs) => idleLimit.tick(nowMs),
    get isGone() {
      return !server.listening && sockets.size === 0;
    },
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
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
