import type { Listener } from "../../workers/protocol.ts";
import type { Arrival } from "../exchange/request-context.ts";
import { misdirected, routeNotFound, type Problem } from "../request/problem.ts";
import type { AppRoute } from "../route/app-route.ts";
import { hostName } from "../route/host-table.ts";
import type { ClientConnection } from "./client-connection.ts";
import type { FrontHost } from "./front.ts";

/** The app that a request is for. Asked at each request: a listener's target may change. */
export function findDestination(
  host: Pick<FrontHost, "findApp">,
  target: Listener["target"],
  arrival: Pick<Arrival, "fields" | "target">,
  { serverName }: Pick<ClientConnection, "serverName">,
): AppRoute | Problem {
  if (serverName !== "" && serverName !== hostName(arrival.fields.host)) return misdirected;
  return host.findApp(target, arrival.fields.host, arrival.target.path) ?? routeNotFound;
}
