import { DrawbridgeError } from "@drawbridge/errors";
import type { AlertCalls } from "../clients/peers.ts";
import type { RouteServices } from "./services.ts";

/** @throws DrawbridgeError `ALERTS_NOT_INSTALLED` (unimplemented): this installation has no alerting */
export function alertingOf({ alerting }: Pick<RouteServices, "alerting">): AlertCalls {
  if (alerting) return alerting;
  throw new DrawbridgeError({
    kind: "unimplemented",
    code: "ALERTS_NOT_INSTALLED",
    message:
      "this control plane has no alerts: the service alerting is not installed, or management-api does not know it",
  });
}
