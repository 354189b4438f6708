import type { Duplex } from "node:stream";
import type { Arrival, RequestContext } from "../exchange/request-context.ts";
import { UpgradeRequest } from "../exchange/upgrade-request.ts";
import type { AppRoute } from "../route/app-route.ts";
import type { ClientConnection } from "./client-connection.ts";

/** Judge a request for another protocol (WebSocket) like any other and then pass every byte in both directions. */
export function passUpgrade(options: {
  readonly context: RequestContext;
  readonly arrival: Arrival;
  readonly app: AppRoute;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly connection: ClientConnection;
}): void {
  const { context, arrival, app, socket, head, connection } = options;
  socket.on("error", () => socket.destroy());
  new UpgradeRequest({ context, arrival, socket, head, connection }).begin(app);
}
