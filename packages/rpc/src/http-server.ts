import { once } from "node:events";
import { createServer as createNodeServer } from "node:http";
import type { Socket } from "node:net";
import { DrawbridgeError } from "@drawbridge/errors";
import {
  lingerOnClose,
  systemClock,
  uuidV7Ids,
  type Clock,
  type Component,
  type IdSource,
} from "@drawbridge/lifecycle";
import type { IdentityHolder, PeerIdentity } from "@drawbridge/pki";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { AdmissionLimits } from "./admission.ts";
import { assertAllowed, type CallerPattern } from "./caller.ts";
import { toHttpProblem } from "./http-errors.ts";
import { observeRequests } from "./http-observer.ts";
import {
  createListener,
  type ClientCertificate,
  type Connection,
  type ListenAddress,
  type ProxyNetworks,
} from "./listener.ts";
import { problemContentType } from "./problem.ts";
import { createRequestMetrics } from "./request-metrics.ts";
import { assertNotRevoked, isRevoked, type RevocationCheck } from "./revocation-check.ts";

export interface HttpServerOptions {
  /** For log and metrics: "api", "bundles". */
  readonly name: string;
  readonly listen: ListenAddress;
  /** TLS 1.3 with this identity; undefined speaks plain HTTP, for probes and metrics on a private address only. */
  readonly identity: IdentityHolder | undefined;
  readonly clientCertificate: ClientCertificate;
  /** Who is refused although his certificate is valid. Started before this server. */
  readonly revocations?: RevocationCheck;
  /** Who may call at all. Required with client certificates; "anyone" without. Routes may ask for more. */
  readonly allow: readonly CallerPattern[];
  /** Adds routes and plugins. */
  readonly register: (app: FastifyInstance) => void | Promise<void>;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Largest body that a route takes unless it says otherwise. Default 1 MiB. */
  readonly bodyLimitBytes?: number;
  /** Longest time from first byte to end of a request. Default 60 s; 0 is none, for streams of unknown size. */
  readonly requestTimeoutMs?: number;
  readonly admission?: AdmissionLimits;
  /** Load balancers whose connections must begin with a PROXY header (R14); TLS only. Default: none. */
  readonly proxyProtocolFrom?: ProxyNetworks | undefined;
  /** Not called for revoked peers. */
  readonly onConnection?: (connection: Connection) => void;
  /** Runs before every route after the caller was let through; throw to refuse. */
  readonly beforeRequest?: (context: HttpContext) => void | Promise<void>;
  readonly clock?: Clock;
  readonly ids?: IdSource;
}

export interface HttpServer extends Component {
  /** Where it listens; after start. */
  address(): ListenAddress;
  connections(): Iterable<Connection>;
}

/** Who sent a request. */
export interface HttpContext {
  readonly peer: PeerIdentity | undefined;
  readonly remoteAddress: string;
  readonly connectionId: string;
}

/** Time for the headers of a request to arrive: slow senders hold a connection no longer. */
const headersTimeoutMs = 10_000;
const keepAliveTimeoutMs = 65_000;

const connectionsBySocket = new WeakMap<Socket, Connection>();

/** Who sent this request; for routes. `request.signal` aborts when the caller hangs up. */
export function httpContext(request: FastifyRequest): HttpContext {
  const connection = connectionsBySocket.get(request.raw.socket);
  return {
    peer: connection?.peer,
    remoteAddress: connection?.remoteAddress ?? "unknown",
    connectionId: connection?.id ?? "",
  };
}

/**
 * An HTTP/1.1 server over our own TLS listener: problem+json for every error, one request id, span and log record per
 * request. On stop it answers what is in flight, tells clients to go, and cuts what is left at the deadline.
 */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const clock = options.clock ?? systemClock;
  const ids = options.ids ?? uuidV7Ids;
  const logger = options.logger.child({ [field.component]: `http:${options.name}` });
  const requestTimeout = options.requestTimeoutMs ?? 60_000;
  const server = createNodeServer({
    headersTimeout: requestTimeout === 0 ? headersTimeoutMs : Math.min(headersTimeoutMs, requestTimeout),
    requestTimeout,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000,
  });
  const app = fastify({
    serverFactory: (handler) =>
      server.on("request", (request, response) => {
        if (request.socket.writable) handler(request, response); // else it is behind the last one that is answered there
      }),
    bodyLimit: options.bodyLimitBytes ?? 1024 * 1024,
    genReqId: () => ids.next(),
    requestIdHeader: false,
    frameworkErrors: (error, _request, reply) => {
      const { problem } = toHttpProblem(error);
      const plain: FastifyReply = reply;
      void plain.code(problem.status).type(problemContentType).send(problem);
    },
  });
  const metrics = options.metrics && createRequestMetrics(options.metrics, options.name);
  const inFlight = observeRequests(app, { clock, logger, metrics, contextOf: httpContext });

  const listener = createListener({
    name: options.name,
    listen: options.listen,
    ...(options.identity
      ? {
          tls: {
            identity: options.identity,
            clientCertificate: options.clientCertificate,
            protocol: "http/1.1" as const,
            revocations: options.revocations,
            proxyProtocolFrom: options.proxyProtocolFrom,
          },
        }
      : {}),
    ...(options.admission ? { admission: options.admission } : {}),
    clock,
    ids,
    logger,
    metrics: options.metrics,
    onConnection: (socket, connection) => {
      connectionsBySocket.set(socket, connection);
      if (!isRevoked(options.revocations, connection.peer)) options.onConnection?.(connection);
      if (!socket.destroyed) server.emit("connection", socket);
    },
  });

  app.setErrorHandler((thrown, request, reply) => {
    const { problem, error } = toHttpProblem(thrown);
    inFlight.failed(request, error);
    if (problem.retryAfterMs !== undefined)
      void reply.header("retry-after", String(Math.ceil(problem.retryAfterMs / 1000)));
    if (problem.status === 401 && options.clientCertificate === "none") void reply.header("www-authenticate", "Bearer");
    return reply.code(problem.status).type(problemContentType).send(problem);
  });
  app.setNotFoundHandler(() => {
    throw new DrawbridgeError({
      kind: "not_found",
      code: "ROUTE_NOT_FOUND",
      message: "there is nothing at this address",
    });
  });
  app.addHook("onRequest", async (request, reply) => {
    void reply.headers({
      "x-request-id": request.id,
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
    const context = httpContext(request);
    if (isRevoked(options.revocations, context.peer)) void reply.header("connection", "close");
    assertNotRevoked(options.revocations, context.peer);
    assertAllowed(options.allow, context.peer, clock.now());
    await options.beforeRequest?.(context);
  });
  app.addHook("onSend", async (request) => {
    if (!request.raw.complete) lingerOnClose(request.raw);
  });

  return {
    name: `http:${options.name}`,
    address: () => listener.address(),
    connections: () => listener.connections(),
    start: async () => {
      await options.register(app);
      await app.ready();
      await listener.listen();
      server.emit("listening"); // starts node's watch over header and request time-outs; the sockets come from our listener
      const { host, port } = listener.address();
      logger.info({ [field.address]: `${host}:${port}` }, "listening");
    },
    stop: async (deadline) => {
      listener.stopAccepting();
      inFlight.closeConnections();
      server.closeIdleConnections();
      if (inFlight.count() > 0 && !deadline.aborted) {
        await Promise.race([inFlight.drained(), once(deadline, "abort")]);
      }
      listener.destroy("server stopped");
      server.close();
      await app.close();
    },
  };
}
