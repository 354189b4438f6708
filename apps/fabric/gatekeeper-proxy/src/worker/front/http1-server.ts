import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Http1Request } from "../exchange/http1-request.ts";
import { bodyTooLarge, headTooLarge, malformed, overloaded, requestTooSlow, type Problem } from "../request/problem.ts";
import { maxHeaderBytes, type DataPlaneSettings } from "../settings.ts";
import { answerProblem, writeProblem } from "./answer-problem.ts";
import { ClientConnection } from "./client-connection.ts";
import { findDestination } from "./find-destination.ts";
import type { FrontHost, ServedListener } from "./front.ts";
import { IdleLimit } from "./idle-limit.ts";
import { LeanRequest } from "./lean-request.ts";
import { isProblem, readArrival, type ArrivalRules } from "./read-arrival.ts";
import { passUpgrade } from "./pass-upgrade.ts";

/** How often node looks for clients that are too slow. */
const checkIntervalMs = 1_000;

export function http1Options(settings: DataPlaneSettings): ServerOptions & { readonly optimizeEmptyRequests: true } {
  return {
    IncomingMessage: LeanRequest,
    insecureHTTPParser: false,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: settings.headersTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: 0, // `IdleLimit` instead of two timers for each request
    connectionsCheckingInterval: checkIntervalMs,
    requireHostHeader: false, // refused by us, as problem+json
    rejectNonStandardBodyWrites: true,
    optimizeEmptyRequests: true,
    noDelay: true,
    shouldUpgradeCallback: mayUpgrade,
  };
}

/** Over these a client would go on with requests, which nobody would judge (GK 1). */
const carriesRequests = /(?:^|,)\s*(?:h2c?|http|tls)(?![^/,\s])/i;

/**
 * Another version of HTTP is for the next hop, not for the app, also as one of several: such a request is answered as HTTP/1.1
 * (RFC 9110 7.8).
 */
function mayUpgrade(request: IncomingMessage): boolean {
  const protocols = request.headers.upgrade?.trim();
  return protocols !== undefined && protocols !== "" && !carriesRequests.test(protocols);
}

/** Handlers of HTTP/1.1 on a server, with TLS or without; what is to be asked every now and then. */
export function serveHttp1(server: Server, host: FrontHost, listener: ServedListener): Pick<IdleLimit, "tick"> {
  const connections = new WeakMap<Duplex, ClientConnection>();
  const { context, trusted } = host;
  const { settings } = context;
  const idleLimit = new IdleLimit(settings.keepAliveTimeoutMs);
  const rules: ArrivalRules = { pathParameters: settings.pathParameters, trusted };
  server.maxRequestsPerSocket = settings.requestsPerConnection;
  server.maxHeadersCount = 0; // node would leave out what is more, silently; we refuse it

  function connectionOf(socket: Socket): ClientConnection {
    const known = connections.get(socket);
    if (known !== undefined) return known;
    const isTls = "encrypted" in socket;
    const serverName = listener.serverNameOf(socket);
    const connection = new ClientConnection({ peerAddress: socket.remoteAddress, isTls, trusted, serverName });
    connections.set(socket, connection);
    idleLimit.watch(socket, connection);
    socket.once("close", () => {
      idleLimit.forget(socket);
      connection.onClose();
    });
    return connection;
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = connectionOf(request.socket);
    connection.begin(() => begin(request, response, connection));
  }

  function begin(request: IncomingMessage, response: ServerResponse, connection: ClientConnection): void {
    if (connection.isLast) return;
    const refuse = (problem: Problem): void => {
      connection.isLast = true;
      answerProblem(response, problem);
    };
    const arrival = readArrival(request, connection, rules);
    if (isProblem(arrival)) return refuse(arrival);
    if (host.isOverloaded) return refuse(overloaded);
    const app = findDestination(host, listener.target, arrival, connection);
    if (isProblem(app)) return refuse(app);
    new Http1Request(context, arrival, request, response, connection).begin(app);
  }

  server.on("request", onRequest);
  server.on("checkContinue", onRequest);
  server.on("checkExpectation", onRequest);
  server.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    writeProblem(socket, malformed("This method is not served."));
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    const connection = connections.get(socket);
    const cut = (): void => void socket.destroy();
    const refuse = (): void => writeProblem(socket, problemOf(error.code));
    if (error.code === "ECONNRESET" || error.code === "EPIPE") return cut();
    if (connection?.isLast === true || !socket.writable) return; // it is being closed; what still comes is thrown away
    if (connection === undefined) refuse();
    else connection.onUnreadable(refuse, cut);
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const connection = connectionOf(request.socket);
    if (connection.isLast) return void socket.destroy();
    const arrival = readArrival(request, connection, rules);
    if (isProblem(arrival)) return writeProblem(socket, arrival);
    if (arrival.fields.bodyLength !== 0 || arrival.fields.upgrade === "") {
      return writeProblem(socket, malformed("A request for another protocol has no body and names it in Connection."));
    }
    const app = findDestination(host, listener.target, arrival, connection);
    if (isProblem(app)) return writeProblem(socket, app);
    if (host.isOverloaded || !host.admitTunnel()) return writeProblem(socket, overloaded);
    socket.once("close", () => host.releaseTunnel());
    passUpgrade({ context, arrival, app, socket, head, connection });
  });
  return idleLimit;
}

export function createHttp1Server(settings: DataPlaneSettings): Server {
  return createHttpServer(http1Options(settings));
}

function problemOf(code = ""): Problem {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return headTooLarge;
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return bodyTooLarge;
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return requestTooSlow;
    default:
      return malformed("The request is not HTTP as RFC 9112 has it.");
  }
}
