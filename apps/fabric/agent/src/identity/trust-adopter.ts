import type { Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import type { TrustBundleOffer } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import type { AgentCredentials } from "./agent-credentials.ts";

/** Takes a trust bundle over and acknowledges it at once, or says why not; the tunnel stays (design R8). */
export function createTrustAdopter(options: {
  readonly credentials: Pick<AgentCredentials, "adoptTrustBundle">;
  readonly onAdopted: () => void;
  readonly alerts: AlertBoard;
  readonly logger: Logger;
}): (offer: TrustBundleOffer, session: Pick<TunnelSession, "beat" | "serverChainDer">) => Promise<void> {
  const { credentials, alerts, logger } = options;
  return async (offer, session) => {
    try {
      const outcome = await credentials.adoptTrustBundle(offer, session.serverChainDer());
      alerts.clear("TrustBundleRefused");
      if (outcome === "adopted") options.onAdopted();
      session.beat(); // acknowledges: the rotation waits for it
    } catch (error) {
      const message = error instanceof Error ? error.message : "it cannot be used";
      alerts.raise("TrustBundleRefused", `the new trust bundle ${offer.sequence} is not taken over: ${message}`);
      logger.error({ err: error }, "trust bundle refused");
      throw error;
    }
  };
}
