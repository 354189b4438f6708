import { once } from "node:events";
import type { Socket } from "node:net";
import { TLSSocket, type DetailedPeerCertificate, type PeerCertificate } from "node:tls";
import { systemClock, uuidV7Ids, type Clock, type Component, type Health, type IdSource } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { AdmissionLimits } from "./admission.ts";
import { createImplementation } from "./grpc-call.ts";
import { createHealthService } from "./grpc-health.ts";
import type { CallContext, GrpcServiceDefinition } from "./grpc-service.ts";
import {
  createListener,
  type ClientCertificate,
  type Connection,
  type Listener,
  type ListenAddress,
  type ProxyNetworks,
} from "./listener.ts";
import type { OnRevoked } from "./connection-watch.ts";
import { createRequestMetrics } from "./request-metrics.ts";
import { isRevoked, type RevocationCheck } from "./revocation-check.ts";

export interface GrpcServerOptions {
  /** For log, metrics and health: "internal", "fabric". */
  readonly name: string;
  readonly listen: ListenAddress;
  readonly identity: IdentityHolder;
  readonly clientCertificate: ClientCertificate;
  /** Who is refused although his certificate is valid. Started before this server. */
  readonly revocations?: RevocationCheck;
  /** A live connection's certificate was revoked: say goodbye and cut; cut it is after 1 s in any case. Default: at once. */
  readonly onRevoked?: OnRevoked;
  readonly services: readonly GrpcServiceDefinition[];
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Answers grpc.health.v1.Health/Check; without it the method does not exist. */
  readonly health?: Health;
  readonly admission?: AdmissionLimits;
  /** Largest message in or out. Default 1 MiB (design R11). */
  readonly maxMessageBytes?: number;
  /** Largest message out, where what we say may be larger than what we take. Default `maxMessageBytes`. */
  readonly maxSentMessageBytes?: number;
  /** Streams at once on one connection. Default 100. */
  readonly maxConcurrentStreams?: number;
  /** Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Load balancers whose connections must begin with a PROXY header (R14). Default: none. */
  readonly proxyProtocolFrom?: ProxyNetworks | undefined;
  /** Called when a connection is established, before its first call. Close it to refuse. Not called for revoked peers. */
  readonly onConnection?: (connection: Connection) => void;
  /** Called before every handler, after authorisation; throw to refuse. For checks that change while a connection lives. */
  readonly beforeCall?: (context: CallContext) => void | Promise<void>;
  readonly clock?: Clock;
  readonly ids?: IdSource;
}

export interface GrpcServer extends Component {
  /** Where it listens; after start. */
  address(): ListenAddress;
  connections(): Iterable<Connection>;
}

/** Ping every 20 s, dead after 10 s without an answer (design R12). */
const keepalive = { "grpc.keepalive_time_ms": 20_000, "grpc.keepalive_timeout_ms": 10_000 };
/** What one HTTP/2 session may hold in memory, in MiB: node's default of 10 is less than ten of our largest messages. */
const maxSessionMemoryMb = 32;

/**
 * A gRPC server over our own TLS listener. Deny by default: a call passes when its connection's certificate is still
 * valid and the method's list names the caller. On stop it tells clients to go, waits for calls in flight, and cuts
 * what is left at the deadline.
 */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const clock = options.clock ?? systemClock;
  const logger = options.logger.child({ [field.component]: `grpc:${options.name}` });
  const maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
  const server = new Server({
    ...keepalive,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": options.maxSentMessageBytes ?? maxMessageBytes,
    "grpc.max_concurrent_streams": options.maxConcurrentStreams ?? 100,
    "grpc-node.max_session_memory": maxSessionMemoryMb,
    "grpc.enable_channelz": 0,
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const byAddress = new Map<string, Connection>();
  const byCertificate = new WeakMap<object, Connection>();

  const listener = createListener({
    name: options.name,
    listen: options.listen,
    tls: {
      identity: options.identity,
      clientCertificate: options.clientCertificate,
      protocol: "h2",
      revocations: options.revocations,
      onRevoked: options.onRevoked,
      proxyProtocolFrom: options.proxyProtocolFrom,
      ...(options.handshakeTimeoutMs === undefined ? {} : { handshakeTimeoutMs: options.handshakeTimeoutMs }),
    },
    ...(options.admission ? { admission: options.admission } : {}),
    clock,
    ids: options.ids ?? uuidV7Ids,
    logger,
    metrics: options.metrics,
    onConnection: adopt,
  });

  function adopt(socket: Socket, connection: Connection): void {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    byAddress.set(key, connection);
    socket.once("close", () => {
      if (byAddress.get(key) === connection) byAddress.delete(key);
    });
    if (connection.peer && socket instanceof TLSSocket) byCertificate.set(markCertificate(socket), connection);
    if (!isRevoked(options.revocations, connection.peer)) options.onConnection?.(connection);
    if (!socket.destroyed) injector.injectConnection(socket);
  }

  /** With client certificates the connection follows from the socket itself; the address only tells anonymous callers apart. */
  function connectionOf(call: ServerCallHandle): Connection | undefined {
    if (options.clientCertificate === "none") return byAddress.get(call.getPeer());
    const { sslPeerCertificate } = call.getAuthContext();
    return sslPeerCertificate && byCertificate.get(sslPeerCertificate);
  }

  const services = options.health ? [...options.services, createHealthService(options.health)] : options.services;
  const metrics = options.metrics && createRequestMetrics(options.metrics, options.name);
  for (const service of services) {
    const implementation = createImplementation(service, {
      connectionOf,
      revocations: options.revocations,
      beforeCall: options.beforeCall,
      clock,
      logger,
      metrics,
    });
    // GrpcMethod is what we need of a generated definition; grpc-js needs the serialisers that are in it as well.
    server.addService(
      service.definition as unknown as ServiceDefinition,
      implementation as unknown as UntypedServiceImplementation,
    );
  }

  return {
    name: `grpc:${options.name}`,
    address: () => listener.address(),
    connections: () => listener.connections(),
    start: async () => {
      await listener.listen();
      const { host, port } = listener.address();
      logger.info({ [field.address]: `${host}:${port}` }, "listening");
    },
    stop: async (deadline) => {
      listener.stopAccepting();
      await drain(server, listener, deadline);
      server.forceShutdown();
      listener.destroy("server stopped");
    },
  };
}

/** What we ask of a call, of whatever shape. */
interface ServerCallHandle {
  getPeer(): string;
  getAuthContext(): { readonly sslPeerCertificate?: object };
}

const noBytes = Buffer.alloc(0);

/**
 * grpc-js hands out the socket's certificate and nothing else of the socket. Let it be an object of this socket's own,
 * by which its connection is found: that is exact, and it spares the decoding of the certificate at every call. The
 * certificate itself was read and verified before. TLS 1.3 has no renegotiation: it cannot change.
 */
function markCertificate(socket: TLSSocket): object {
  const mark: Pick<PeerCertificate, "raw"> = { raw: noBytes };
  socket.getPeerCertificate = () => mark as DetailedPeerCertificate; // grpc-js looks only at whether `raw` is there
  return mark;
}

/**
 * Tell every client to go (GOAWAY) and wait until the connections have ended their calls, or the deadline aborts. The
 * callback of tryShutdown cannot be waited for: node closes the sessions before grpc-js counts them.
 */
async function drain(server: Server, listener: Listener, deadline: AbortSignal): Promise<void> {
  if (deadline.aborted) return;
  server.tryShutdown(() => undefined);
  const ended = Promise.all([...listener.connections()].map((connection) => connection.closed));
  await Promise.race([ended, once(deadline, "abort")]);
}
