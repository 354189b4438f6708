import type { Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import type { ClockSkew } from "../clock/clock-skew.ts";
import type { DesiredSync } from "../desired/desired-sync.ts";
import type { AgentCredentials } from "../identity/agent-credentials.ts";
import type { LogsSender } from "../logs/logs-sender.ts";
import type { StatusReporter } from "../report/status-reporter.ts";
import type { TunnelHandlers } from "./tunnel-client.ts";
import type { TunnelEvent } from "./tunnel-events.ts";

export interface EventRouterOptions {
  readonly desired: Pick<DesiredSync, "announce" | "forgetRefusals">;
  readonly reporter: Pick<StatusReporter, "restart" | "acknowledge">;
  readonly skew: Pick<ClockSkew, "observe">;
  readonly logs: Pick<LogsSender, "begin" | "cancel">;
  readonly credentials: Pick<AgentCredentials, "adoptTrustBundle">;
  readonly alerts: AlertBoard;
  readonly logger: Logger;
}

/** Who in the agent hears what the control plane says. */
export function createEventRouter(options: EventRouterOptions): TunnelHandlers {
  const { desired, reporter, skew, logs } = options;
  return {
    onWelcome(session) {
      reporter.restart(session);
      desired.announce(session.terms.desired, session);
      desired.forgetRefusals();
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
          void adopt(event, options);
          return;
        case "drain": // the client's own business
          return;
      }
    },
  };
}

async function adopt(
  event: Extract<TunnelEvent, { event: "trustBundle" }>,
  { credentials, desired, alerts, logger }: EventRouterOptions,
): Promise<void> {
  try {
    const outcome = await credentials.adoptTrustBundle(event);
    alerts.clear("TrustBundleRefused");
    if (outcome === "adopted") desired.forgetRefusals(); // it may have been signed under the new root
  } catch (error) {
    const message = error instanceof Error ? error.message : "it cannot be used";
    alerts.raise("TrustBundleRefused", `the new trust bundle ${event.sequence} is not taken over: ${message}`);
    logger.error({ err: error }, "trust bundle refused");
  }
}
