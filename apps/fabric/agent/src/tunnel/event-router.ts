import type { AlertBoard } from "../alerts/alert-board.ts";
import type { ClockSkew } from "../clock/clock-skew.ts";
import type { DesiredSync } from "../desired/desired-sync.ts";
import type { GatewaySide } from "../gateway/gateway-side.ts";
import type { LogsSender } from "../logs/logs-sender.ts";
import type { StatusReporter } from "../report/status-reporter.ts";
import type { TunnelHandlers } from "./tunnel-client.ts";
import type { Renewal } from "../renewal/create-renewal.ts";
import type { TrustBundleOffer } from "./tunnel-events.ts";
import type { TunnelSession } from "./tunnel-session.ts";

export interface EventRouterOptions {
  readonly desired: Pick<DesiredSync, "announce" | "forgetRefusals">;
  readonly reporter: Pick<StatusReporter, "restart" | "acknowledge">;
  readonly skew: Pick<ClockSkew, "observe" | "setThresholds">;
  readonly logs: Pick<LogsSender, "begin" | "cancel">;
  readonly renewal: Pick<Renewal, "hear" | "loop">;
  readonly adoptTrustBundle: (offer: TrustBundleOffer, session: TunnelSession) => Promise<void>;
  readonly gateways: Pick<GatewaySide, "welcomed" | "announce">;
  readonly alerts: AlertBoard;
}

/** Who in the agent hears what the control plane says. */
export function createEventRouter(options: EventRouterOptions): TunnelHandlers {
  const { desired, reporter, skew, logs, alerts } = options;
  return {
    onWelcome(session) {
      skew.setThresholds(session.terms.clockSkew);
      alerts.clear("AgentLocked");
      reporter.restart(session);
      options.renewal.loop.wake();
      desired.announce(session.terms.desired, session);
      desired.forgetRefusals();
      options.gateways.welcomed(session);
    },
    onEvent(event, session) {
      switch (event.event) {
        case "desired":
          desired.announce(event.desired, session);
          return;
        case "statusAck":
          reporter.acknowledge(event.seq, session);
          return;
        case "serverTime":
          skew.observe(event.serverTime);
          return;
        case "logs":
          logs.begin(event.order, session);
          return;
        case "logsCancel":
          logs.cancel(event.correlationId);
          return;
        case "trustBundle":
          void options.adoptTrustBundle(event, session).catch(() => undefined); // told as an alert
          return;
        case "renewed":
        case "renewNow":
          options.renewal.hear(event);
          return;
        case "apiConfiguration":
          options.gateways.announce(event.mark, session);
          return;
        case "drain": // the client's own business
          return;
      }
    },
  };
}
