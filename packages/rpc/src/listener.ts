import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { peerIdentity, serverTlsOptions, type IdentityHolder, type PeerIdentity } from "@drawbridge/pki";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import { createAdmission, type AdmissionLimits, type AdmissionRefusal } from "./admission.ts";
import { createConnectionWatch, type OnRevoked } from "./connection-watch.ts";
import { readProxyHeader } from "./read-proxy-header.ts";
import type { RevocationCheck } from "./revocation-check.ts";

/** Where to listen; port 0 lets the system choose. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export type ClientCertificate = "required" | "none";

/** Load balancers that announce the client's address in a PROXY protocol header. */
export interface ProxyNetworks {
  includes(address: string): boolean;
}

/** One accepted connection; with TLS the handshake is over and the peer is known. */
export interface Connection {
  readonly id: string;
  /** Of the client: what a trusted proxy announced, else that of the TCP connection. */
  readonly remoteAddress: string;
  readonly peer: PeerIdentity | undefined;
  /** Cut it at once, streams included. `reason` is for the log. */
  close(reason: string): void;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
}

export interface ListenerOptions {
  readonly name: string;
  readonly listen: ListenAddress;
  /** Without it the listener speaks plain TCP: loopback only. */
  readonly tls?: {
    readonly identity: IdentityHolder;
    readonly clientCertificate: ClientCertificate;
    /** "h2 or http/1.1": as the client asks; `alpnProtocol` of its socket tells which. */
    readonly protocol: "h2" | "http/1.1" | "h2 or http/1.1";
    /** Default 10 s; the PROXY header has as long. */
    readonly handshakeTimeoutMs?: number;
    /** Connections from there must begin with a PROXY header, all others must not (R14). Default: from nowhere. */
    readonly proxyProtocolFrom?: ProxyNetworks | undefined;
    readonly revocations?: RevocationCheck | undefined;
    readonly onRevoked?: OnRevoked | undefined;
  };
  readonly admission?: AdmissionLimits;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
  /** Called once per connection, when it may be used. */
  readonly onConnection: (socket: Socket, connection: Connection) => void;
}

export interface Listener {
  listen(): Promise<void>;
  address(): ListenAddress;
  /** No new connections; the open ones go on. */
  stopAccepting(): void;
  connections(): Iterable<Connection>;
  /** Cut all that is open and release. */
  destroy(reason: string): void;
}

/**
 * A TCP listener of our own, with TLS 1.3 on top (design R10): admission before cryptography, hot swap of certificates,
 * no session tickets, and every connection under one identity that cannot change while it lives.
 */
export function createListener(options: ListenerOptions): Listener {
  const { clock, logger, tls } = options;
  const admission = createAdmission(options.admission ?? {}, clock);
  const connections = new Set<Connection>();
  const handshakes = new Map<string, Handshake>();
  const refused = options.metrics?.counter("connections_refused", {
    description: "connections closed before or in the handshake, or let in only to be told that they are refused",
  });
  const watch = createConnectionWatch({
    name: options.name,
    revocations: tls?.revocations,
    onRevoked: tls?.onRevoked,
    connections: () => connections,
    clock,
    metrics: options.metrics,
  });
  options.metrics?.gauge("connections", { description: "open connections" }, () => [
    [admission.connections(), { listener: options.name }],
  ]);

  // Paused, because a socket may have to wait for its handshake: nothing is read before TLS reads it.
  const server: Server = createServer({ noDelay: true, pauseOnConnect: tls !== undefined }, accept);
  let tlsServer: TlsServer | undefined; // made in listen(): the identity is loaded by a component that starts before us
  let isOverloaded = false;

  function accept(socket: Socket): void {
    socket.on("error", () => undefined); // resets are everyday life; "close" follows and is counted
    admission.arrive({ begin: () => begin(socket), refuse: (reason) => refuse(socket, reason) });
  }

  function refuse(socket: Socket, reason: AdmissionRefusal): void {
    socket.resetAndDestroy();
    refused?.add(1, { listener: options.name, reason });
    if (!isOverloaded) logger.warn({ reason }, "refusing connections: overloaded");
    isOverloaded = true;
  }

  function begin(socket: Socket): void {
    if (isOverloaded) logger.info({}, "accepting connections again");
    isOverloaded = false;
    const key = addressKey(socket); // read now: a closed socket has forgotten its own address
    const endHandshake = onlyOnce(() => {
      if (handshakes.get(key)?.end === endHandshake) handshakes.delete(key);
      admission.handshakeEnded();
    });
    socket.once("close", () => {
      endHandshake();
      admission.connectionEnded();
    });
    if (!tlsServer) {
      endHandshake();
      register(socket, { peer: undefined, remoteAddress: socket.remoteAddress });
      return;
    }
    const handshake: Handshake = { end: endHandshake, socket, remoteAddress: socket.remoteAddress };
    handshakes.set(key, handshake);
    if (tls?.proxyProtocolFrom?.includes(socket.remoteAddress ?? "") !== true) {
      tlsServer.emit("connection", socket);
      return;
    }
    const timeoutMs = tls.handshakeTimeoutMs ?? defaultHandshakeTimeoutMs;
    readProxyHeader(socket, { timeoutMs, clock }, (header) => {
      if (header.state === "invalid") {
        refused?.add(1, { listener: options.name, reason: "proxy" });
        const facts = { reason: header.reason, [field.remoteAddress]: socket.remoteAddress };
        logger.info(facts, "connection of a proxy refused: no valid PROXY header");
        socket.resetAndDestroy();
        return;
      }
      handshake.remoteAddress = header.source ?? handshake.remoteAddress;
      tlsServer?.emit("connection", socket);
    });
  }

  function createTls(settings: NonNullable<ListenerOptions["tls"]>): TlsServer {
    const { identity, clientCertificate, protocol } = settings;
    // Whoever shows no certificate may know us by a pin only: it gets the roots as well.
    const sendRoots = clientCertificate === "none";
    const current = () =>
      serverTlsOptions(identity.get(), { clientCertificate, alpnProtocols: protocol.split(" or "), sendRoots });
    const secure = createTlsServer({
      ...current(),
      handshakeTimeout: settings.handshakeTimeoutMs ?? defaultHandshakeTimeoutMs,
    });
    secure.on("secureConnection", (socket) => onSecure(socket, settings));
    secure.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      refused?.add(1, { listener: options.name, reason: "handshake" });
      logger.debug(
        { reason: error.code ?? "unknown", [field.remoteAddress]: sourceOf(socket) },
        "tls handshake failed",
      );
      socket.destroy();
    });
    identity.onChange(() => secure.setSecureContext(current()));
    return secure;
  }

  function onSecure(
    socket: TLSSocket,
    { identity, clientCertificate, protocol }: NonNullable<ListenerOptions["tls"]>,
  ): void {
    const remoteAddress = sourceOf(socket);
    handshakes.get(addressKey(socket))?.end();
    socket.on("error", () => undefined); // as above
    try {
      if (socket.alpnProtocol !== protocol && protocol === "h2") throw refusal(`ALPN ${protocol} was not agreed on`);
      // Never offered. Node does not look at the certificate of a resumed session again: with one, nothing here would hold.
      if (socket.isSessionReused()) throw refusal("a resumed TLS session");
      const peer = clientCertificate === "required" ? peerIdentity(socket) : undefined;
      if (peer && peer.identity.trustDomain !== identity.get().trustBundle.trustDomain)
        throw refusal("foreign trust domain");
      if (peer && tls?.revocations?.refusal(peer)) refused?.add(1, { listener: options.name, reason: "revoked" });
      register(socket, { peer, remoteAddress });
    } catch (error) {
      refused?.add(1, { listener: options.name, reason: "identity" });
      logger.info({ err: error, [field.remoteAddress]: remoteAddress }, "connection refused");
      socket.destroy();
    }
  }

  /** Of a connection in its handshake. */
  function sourceOf(socket: Socket): string | undefined {
    return handshakes.get(addressKey(socket))?.remoteAddress ?? socket.remoteAddress;
  }

  function register(
    socket: Socket,
    { peer, remoteAddress = "unknown" }: Pick<Connection, "peer"> & { readonly remoteAddress: string | undefined },
  ): void {
    const closed = Promise.withResolvers<void>();
    const connection: Connection = {
      id: options.ids.next(),
      remoteAddress,
      peer,
      closed: closed.promise,
      close: (reason) => {
        if (socket.destroyed) return;
        logger.info(
          { reason, [field.connectionId]: connection.id, [field.spiffeId]: peer?.spiffeId },
          "closing connection",
        );
        socket.destroy();
      },
    };
    connections.add(connection);
    socket.once("close", () => {
      connections.delete(connection);
      closed.resolve();
    });
    watch.admit(connection);
    options.onConnection(socket, connection);
  }

  return {
    listen: async () => {
      if (tls?.revocations && !tls.revocations.isLoaded)
        throw new Error("the revocation list starts before its listeners");
      tlsServer = tls && createTls(tls);
      server.listen({ host: options.listen.host, port: options.listen.port });
      try {
        await once(server, "listening");
      } catch (error) {
        throw listenError(error, options.listen);
      }
      // Of accept, where file descriptors or memory are short for a moment: it must not end the process.
      server.on("error", (error) => logger.warn({ err: error }, "a connection could not be accepted"));
      if (tls?.clientCertificate === "required") watch.start();
    },
    address: () => {
      const address = server.address() as AddressInfo; // a TCP listener, so never a path; null only before listen()
      return { host: address.address, port: address.port };
    },
    stopAccepting: () => void server.close(),
    connections: () => connections,
    destroy: (reason) => {
      watch.stop();
      server.close();
      for (const { refuse } of admission.close()) refuse("connections");
      for (const { socket } of handshakes.values()) socket.destroy();
      for (const connection of connections) connection.close(reason);
    },
  };
}

const defaultHandshakeTimeoutMs = 10_000;

interface Handshake {
  readonly end: () => void;
  readonly socket: Socket;
  /** Of the client, as far as it is known. */
  remoteAddress: string | undefined;
}

/** Names a live TCP connection; the same before and after the TLS handshake. */
function addressKey(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localPort}`;
}

function onlyOnce(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}

function refusal(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "unauthenticated", code: "IDENTITY_INVALID", message });
}

function listenError(cause: unknown, { host, port }: ListenAddress): DrawbridgeError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "LISTEN_FAILED",
    message: `cannot listen on ${host}:${port} (${reason}); is the port in use?`,
    cause,
  });
}
