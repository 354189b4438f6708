import { connect, constants, type ClientHttp2Session } from "node:http2";
import { Http2Call } from "./http2-call.ts";
import type {
  AttemptTimeouts,
  CoarseTime,
  Endpoint,
  OutgoingRequest,
  ResponseSink,
  Upstream,
  UpstreamCall,
} from "./upstream.ts";

/** Flow control of all that one request may have under way. */
const windowBytes = 1024 * 1024;

/**
 * A replica that speaks HTTP/2 over plain text with prior knowledge (RFC 9113 3.3), as gRPC servers do: one connection for
 * all requests, made anew when the replica says GOAWAY or it breaks.
 */
export class Http2Upstream implements Upstream {
  readonly #endpoint: Endpoint;
  readonly #time: CoarseTime;
  readonly #calls = new Set<Http2Call>();
  #session: ClientHttp2Session | undefined = undefined;
  #isRetired = false;

  constructor(endpoint: Endpoint, time: CoarseTime) {
    this.#endpoint = endpoint;
    this.#time = time;
  }

  start(request: OutgoingRequest, sink: ResponseSink, timeouts: AttemptTimeouts): UpstreamCall {
    const call = new Http2Call({ request, sink, timeouts, time: this.#time, onOver: (over) => this.#onOver(over) });
    this.#calls.add(call);
    const session = this.#liveSession();
    if (session.connecting) {
      const onClose = (): void => call.onNoConnection();
      session.once("connect", () => {
        session.off("close", onClose); // the connection outlives its first requests
        call.open(session);
        if (call.isConnected) sink.onConnected(call);
      });
      session.once("close", onClose);
    } else {
      call.open(session);
    }
    return call;
  }

  #onOver(call: Http2Call): void {
    this.#calls.delete(call);
    if (this.#isRetired && this.#calls.size === 0) this.#session?.close();
  }

  #liveSession(): ClientHttp2Session {
    const known = this.#session;
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const { address, port } = this.#endpoint;
    const host = address.includes(":") ? `[${address}]` : address;
    const session = connect(`http://${host}:${port}`, {
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    session.setMaxListeners(0); // one for each request that waits for the connection
    session.on("error", () => undefined); // its streams and "close" tell
    session.on("goaway", (code: number) => {
      if (code === constants.NGHTTP2_NO_ERROR) session.close();
      else session.destroy();
      this.#forget(session);
    });
    session.once("close", () => this.#forget(session));
    this.#session = session;
    return session;
  }

  #forget(session: ClientHttp2Session): void {
    if (this.#session === session) this.#session = undefined;
  }

  tick(nowMs: number): void {
    for (const call of this.#calls) call.checkDeadline(nowMs);
  }

  retire(): void {
    this.#isRetired = true;
    if (this.#calls.size === 0) this.#session?.close();
  }
}
