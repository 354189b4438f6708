import { once } from "node:events";
import { createServer as createNodeServer, type IncomingMessage, type ServerResponse } from "node:http";
import { performServerHandshake, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock, uuidV7Ids, type Clock, type Component, type IdSource } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import type { AdmissionLimits } from "../admission.ts";
import { createListener, type Connection, type ListenAddress, type ProxyNetworks } from "../listener.ts";
import { problemContentType, toProblem } from "../problem.ts";
import { logLevelOf, toPublicError } from "../public-error.ts";
import { createRequestMetrics } from "../request-metrics.ts";
import type { Exchange, ExchangeAnswer, ServedExchange } from "./exchange.ts";
import { http1Exchange } from "./http1-exchange.ts";
import { http2Exchange } from "./http2-exchange.ts";
import { createTimeLimits } from "./time-limits.ts";

export interface ExchangeServerOptions {
  /** For log and metrics. */
  readonly name: string;
  readonly listen: ListenAddress;
  readonly identity: IdentityHolder;
  /** By method and path: "POST /v1/things". What they throw is answered as problem+json. */
  readonly routes: Readonly<Record<string, (exchange: Exchange) => Promise<ExchangeAnswer>>>;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  readonly admission?: AdmissionLimits;
  /** Connections from one address. Default 256. */
  readonly connectionsPerAddress?: number;
  /** Load balancers whose connections must begin with a PROXY header (R14). Default: none. */
  readonly proxyProtocolFrom?: ProxyNetworks | undefined;
  readonly clock?: Clock;
  readonly ids?: IdSource;
}

export interface ExchangeServer extends Component {
  /** Where it listens; after start. */
  address(): ListenAddress;
}

/** Of all fields together: a bearer token has up to 14 KiB. */
const headerBytes = 24 * 1024;
const headersTimeoutMs = 10_000;
/** Whoever says nothing for so long is let go. */
const idleTimeoutMs = 65_000;
/** Streams of one HTTP/2 connection, and what may be sent on each before somebody reads it. */
const http2Streams = 128;
const windowBytes = 256 * 1024;
/** Frames that break the protocol, and streams beyond the limit, before a connection is cut. */
const forgivenFrames = 100;

/**
 * Short requests with whole bodies, over HTTP/2 or HTTP/1.1 as the client asks (ALPN), with one-way TLS: who calls is for the
 * routes to find out, before they read a body. For hot paths: no framework, no span, and a log record only for what failed on
 * our side; everything is counted.
 */
export function createExchangeServer(options: ExchangeServerOptions): ExchangeServer {
  const clock = options.clock ?? systemClock;
  const logger = options.logger.child({ [field.component]: `http:${options.name}` });
  const metrics = options.metrics && createRequestMetrics(options.metrics, options.name);
  const refused = options.metrics?.counter("address_connections_refused", {
    description: "connections closed because their address has too many",
  });
  const timeLimits = createTimeLimits(clock);
  const sessions = new Set<ServerHttp2Session>();
  const perAddress = new Map<string, number>();
  const addresses = new WeakMap<Socket, string>();
  const drained = Promise.withResolvers<void>();
  let inFlight = 0;
  let isClosing = false;

  const http1 = createNodeServer({
    headersTimeout: headersTimeoutMs,
    requestTimeout: idleTimeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    maxHeaderSize: headerBytes,
    connectionsCheckingInterval: 1_000,
  });
  http1.on("request", (request, response) => onHttp1(request, response, false));
  http1.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => onHttp1(request, response, true));

  const listener = createListener({
    name: options.name,
    listen: options.listen,
    tls: {
      identity: options.identity,
      clientCertificate: "none",
      protocol: "h2 or http/1.1",
      proxyProtocolFrom: options.proxyProtocolFrom,
    },
    ...(options.admission ? { admission: options.admission } : {}),
    clock,
    ids: options.ids ?? uuidV7Ids,
    logger,
    metrics: options.metrics,
    onConnection,
  });

  function onConnection(socket: Socket, { remoteAddress }: Connection): void {
    const open = (perAddress.get(remoteAddress) ?? 0) + 1;
    if (open > (options.connectionsPerAddress ?? 256)) {
      refused?.add(1, { listener: options.name });
      socket.destroy();
      return;
    }
    perAddress.set(remoteAddress, open);
    socket.once("close", () => {
      const left = (perAddress.get(remoteAddress) ?? 1) - 1;
      if (left > 0) perAddress.set(remoteAddress, left);
      else perAddress.delete(remoteAddress);
    });
    if (socket.destroyed) return;
    addresses.set(socket, remoteAddress);
    if (socket instanceof TLSSocket && socket.alpnProtocol === "h2") serveHttp2(socket, remoteAddress);
    else http1.emit("connection", socket);
  }

  function onHttp1(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    if (!request.socket.writable) return; // behind the last one that is answered there
    const remoteAddress = addresses.get(request.socket) ?? "unknown";
    serve(http1Exchange(request, response, { remoteAddress, awaitsContinue, isClosing: () => isClosing, timeLimits }));
  }

  function serveHttp2(socket: TLSSocket, remoteAddress: string): void {
    const session = performServerHandshake(socket, {
      maxSessionInvalidFrames: forgivenFrames,
      maxSessionRejectedStreams: forgivenFrames,
      maxHeaderListPairs: 64,
      settings: {
        maxConcurrentStreams: http2Streams,
        maxHeaderListSize: headerBytes,
        initialWindowSize: windowBytes,
        enablePush: false,
      },
    });
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    session.on("error", () => session.destroy());
    session.setTimeout(idleTimeoutMs, () => session.destroy());
    session.on("stream", (stream, headers) => serve(http2Exchange(stream, headers, { remoteAddress, timeLimits })));
  }

  function serve(exchange: ServedExchange): void {
    inFlight += 1;
    const startedMs = clock.monotonicMs();
    const route = `${exchange.method} ${exchange.path}`;
    const handle = Object.hasOwn(options.routes, route) ? options.routes[route] : undefined;
    let failure: DrawbridgeError | undefined;
    const work = handle === undefined ? Promise.reject(notFound()) : invoke(() => handle(exchange));
    void work.then(
      (answer) => exchange.answer(answer),
      (thrown: unknown) => {
        failure = toPublicError(thrown);
        exchange.answer(problemAnswer(failure));
      },
    );
    void exchange.over.then(({ answered }) => {
      inFlight -= 1;
      if (isClosing && inFlight === 0) drained.resolve();
      const method = handle === undefined ? "*" : route;
      const code = failure?.code ?? (answered ? undefined : "CALL_CANCELLED");
      metrics?.record({ method, code, durationMs: clock.monotonicMs() - startedMs });
      report(failure, { method, remoteAddress: exchange.remoteAddress });
    });
  }

  function report(
    failure: DrawbridgeError | undefined,
    about: { readonly method: string; readonly remoteAddress: string },
  ): void {
    if (failure === undefined) return;
    // A refusal is the client's affair, and one of a flood of them: it is counted.
    const level = logLevelOf(failure);
    logger[level === "error" ? "error" : "debug"](
      {
        [field.method]: about.method,
        [field.remoteAddress]: about.remoteAddress,
        [field.errorCode]: failure.code,
        ...(failure.cause === undefined ? {} : { err: failure }),
      },
      "request failed",
    );
  }

  return {
    name: `http:${options.name}`,
    address: () => listener.address(),
    start: async (signal) => {
      await timeLimits.start(signal);
      await listener.listen();
      http1.emit("listening"); // starts node's watch over header and request time-outs; the sockets come from our listener
      const { host, port } = listener.address();
      logger.info({ [field.address]: `${host}:${port}` }, "listening");
    },
    stop: async (deadline) => {
      listener.stopAccepting();
      isClosing = true;
      for (const session of sessions) session.close();
      http1.closeIdleConnections();
      if (inFlight > 0 && !deadline.aborted) await Promise.race([drained.promise, once(deadline, "abort")]);
      listener.destroy("server stopped");
      http1.close();
      await timeLimits.stop(deadline);
    },
  };
}

/** Also what is thrown before there is a promise. */
async function invoke(work: () => Promise<ExchangeAnswer>): Promise<ExchangeAnswer> {
  return work();
}

/** Where HTTP says more than the kind. */
const statusOfCode: Readonly<Record<string, number>> = {
  BODY_TOO_LARGE: 413,
  BODY_TOO_SLOW: 408,
  MEDIA_TYPE_UNSUPPORTED: 415,
};

function problemAnswer(error: DrawbridgeError): ExchangeAnswer {
  const plain = toProblem(error);
  const problem = { ...plain, status: statusOfCode[error.code] ?? plain.status };
  return {
    status: problem.status,
    contentType: problemContentType,
    body: JSON.stringify(problem),
    headers: {
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(problem.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(problem.retryAfterMs / 1000)) }),
      ...(problem.status === 401 ? { "www-authenticate": "Bearer" } : {}),
    },
  };
}

function notFound(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "ROUTE_NOT_FOUND",
    message: "there is nothing at this address",
  });
}
