import { peerUnavailable } from "../clients/peer.ts";
import type { ApiManagerCalls } from "../clients/peers.ts";
import type { RouteServices } from "./services.ts";

/** @throws DrawbridgeError `PEER_UNAVAILABLE`: this installation has none */
export function apiManagerOf({ apiManager }: Pick<RouteServices, "apiManager">): ApiManagerCalls {
  if (apiManager) return apiManager;
  throw peerUnavailable("api-manager", new Error("API_MANAGER_ADDRESS is not set"));
}
