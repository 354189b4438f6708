import type { BlockList, Socket } from "node:net";
import type { Listener } from "../../workers/protocol.ts";
import type { RequestContext } from "../exchange/request-context.ts";
import type { AppRoute } from "../route/app-route.ts";

/** What listeners need of the data plane. */
export interface FrontHost {
  readonly context: RequestContext;
  readonly trusted: BlockList;
  /** The event loop is late, or there are too many requests: new ones are refused. */
  readonly isOverloaded: boolean;
  /** False: no room for another connection from there. */
  admit(address: string): boolean;
  release(address: string): void;
  admitTunnel(): boolean;
  releaseTunnel(): void;
  findApp(target: Listener["target"], host: string, path: string): AppRoute | undefined;
}

/** A listener as the servers behind it see it. */
export interface ServedListener {
  /** Read at each request: it may change. */
  readonly target: Listener["target"];
  /** What requests of the connection must be for; empty: any host. */
  serverNameOf(socket: Socket): string;
}

/** A listener of the data plane. */
export interface Front {
  /** `undefined` once it listens, otherwise the system's error code. */
  listen(): Promise<string | undefined>;
  /** Another certificate, other routes; connections stay. */
  update(listener: Listener): void;
  /** Whether it listens at that address already. */
  isAt(listener: Listener): boolean;
  /** Whether its requests are all for that app. */
  isOf(appId: string): boolean;
  /** Tell clients of HTTP/2 to go elsewhere with new requests. */
  startDraining(): void;
  /** Take no new connections, from the first moment on in which none is waiting. */
  stopAccepting(): void;
  /** Close connections without a request; what is under way ends. */
  closeIdle(): void;
  /** Every now and then: ends connections that are idle for too long. */
  tick(nowMs: number): void;
  /** It listens no more, and its last connection has ended. */
  readonly isGone: boolean;
}
