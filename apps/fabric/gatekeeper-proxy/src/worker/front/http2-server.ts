import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { Http2Request } from "../exchange/http2-request.ts";
import { malformed, overloaded, type Problem } from "../request/problem.ts";
import { readHttp2Fields } from "../request/read-http2-fields.ts";
import { maxHeaderBytes } from "../settings.ts";
import { answerStreamProblem } from "./answer-stream-problem.ts";
import { ClientConnection } from "./client-connection.ts";
import { findDestination } from "./find-destination.ts";
import type { FrontHost, ServedListener } from "./front.ts";
import { completeArrival, isProblem, type ArrivalRules } from "./read-arrival.ts";

/** Frames that break the protocol, and streams beyond the limit, before a connection is cut. */
const forgivenFrames = 100;
/** Flow control: more than the default of 64 KiB, so that a body is not bound to one window per round trip. */
const windowBytes = 256 * 1024;

export interface Http2Front {
  accept(socket: TLSSocket): void;
  /** No new streams on any connection; those under way end. */
  goAway(): void;
}

/** HTTP/2 on connections that asked for it. The stream API only: the compatible one costs twice as much. */
export function serveHttp2(host: FrontHost, listener: ServedListener): Http2Front {
  const sessions = new Set<ServerHttp2Session>();
  const { context, trusted } = host;
  const { settings } = context;
  const rules: ArrivalRules = { pathParameters: settings.pathParameters, trusted };

  function onStream(
    stream: ServerHttp2Stream,
    raw: readonly string[],
    { connection, socket }: { readonly connection: ClientConnection; readonly socket: TLSSocket },
  ): void {
    stream.on("error", () => undefined); // "close" follows
    const refuse = (problem: Problem): void => answerStreamProblem(stream, problem);
    const read = readHttp2Fields(raw, { hasBody: !stream.endAfterHeaders });
    if ("problem" in read) return refuse(malformed(read.problem));
    const arrival = completeArrival(read, connection, rules);
    if (isProblem(arrival)) return refuse(arrival);
    if (host.isOverloaded) return refuse(overloaded);
    const app = findDestination(host, listener.target, arrival, connection);
    if (isProblem(app)) return refuse(app);
    new Http2Request(context, arrival, stream, socket).begin(app);
  }

  return {
    accept(socket) {
      const serverName = listener.serverNameOf(socket);
      const about = { peerAddress: socket.remoteAddress, isTls: true, trusted, serverName };
      const client = { connection: new ClientConnection(about), socket };
      const session = performServerHandshake(socket, {
        maxSessionInvalidFrames: forgivenFrames,
        maxSessionRejectedStreams: forgivenFrames,
        maxHeaderListPairs: 128,
        settings: {
          maxConcurrentStreams: settings.http2Streams,
          maxHeaderListSize: maxHeaderBytes,
          initialWindowSize: windowBytes,
          enablePush: false,
        },
      });
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
      session.on("error", () => session.destroy());
      session.setTimeout(settings.keepAliveTimeoutMs, () => {
        if (session.destroyed) return;
        session.close();
      });
      session.on(
        "stream",
        (stream: ServerHttp2Stream, _headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) => {
          try {
            onStream(stream, raw, client);
          } catch (error) {
            context.onFault(error);
            stream.close(constants.NGHTTP2_INTERNAL_ERROR);
          }
        },
      );
      if (context.isDraining) session.close();
    },
    goAway() {
      for (const session of sessions) session.close();
    },
  };
}
