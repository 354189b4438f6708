import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import type { EgressLedger, HttpProxy } from "@drawbridge/egress";
import type { Clock, Component, Random } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import type { AlertBoard } from "../alerts/alert-board.ts";
import { reportsOfGateways } from "../egress/reports-of-gateways.ts";
import type { ApiConfigurationMark } from "../tunnel/tunnel-events.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import type { TunnelState } from "../tunnel/tunnel-state.ts";
import { createAnalyticsAccess } from "./analytics-access.ts";
import { createConfigurationSync } from "./configuration-sync.ts";
import { createGateBoard } from "./gate-board.ts";
import { createGatewayFeed } from "./gateway-feed.ts";
import { createInsightProxy, type InsightRule } from "./insight-proxy.ts";
import { createLink } from "./link.ts";
import { createObjectProxy } from "./object-proxy.ts";
import { createRootStore } from "./root-store.ts";
import { createRouteProxy } from "./route-proxy.ts";

export interface GatewaySideOptions {
  readonly fabricId: string;
  /** GatewayService is served here. */
  readonly socketPath: string;
  /** Where the last root is kept. */
  readonly rootPath: string;
  readonly trustBundle: () => TrustBundle;
  /** Of operators, in observed routes. */
  readonly chosenWords: "allowed" | "refused";
  /** Whether gateways may report requests. */
  readonly analytics: "allowed" | "refused";
  /** Whether they may capture exchanges. */
  readonly insight: InsightRule;
  readonly ledger: Pick<EgressLedger, "record">;
  readonly possibleNows: () => readonly Date[];
  readonly proxy: HttpProxy | undefined;
  readonly tunnelState: () => TunnelState;
  /** What gateways say of gates changed: report it. */
  readonly onGatesChanged: () => void;
  readonly alerts: AlertBoard;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Everything between the tunnel and the gateways of this fabric. */
export interface GatewaySide extends Component {
  /** A session is up: also after a hand-over. */
  welcomed(session: TunnelSession): void;
  announce(mark: ApiConfigurationMark, session: TunnelSession): void;
  trustChanged(): void;
  gatesOf(appId: string): readonly GateStatus[];
}

export function createGatewaySide(options: GatewaySideOptions): GatewaySide {
  const { clock, random, logger, alerts, trustBundle } = options;
  const stopping = new AbortController();
  const refresh = (): void => feed.refresh();
  const sync = createConfigurationSync({
    fabricId: options.fabricId,
    store: createRootStore({ path: options.rootPath, clock, logger }),
    trustBundle,
    onChange: refresh,
    alerts,
    clock,
    random,
    logger,
  });
  const link = createLink({
    tunnelState: options.tunnelState,
    announcedIn: (session) => sync.announcedIn(session),
    onChange: refresh,
    clock,
  });
  const gates = createGateBoard(options.onGatesChanged);
  const feed = createGatewayFeed({
    socketPath: options.socketPath,
    link: () => link.state(),
    root: () => sync.root(),
    trustBundle,
    objects: createObjectProxy({ session: () => link.session(), stopping: stopping.signal }),
    routes: createRouteProxy({ session: () => link.session(), chosenWords: options.chosenWords }),
    analyticsAccess: createAnalyticsAccess({
      rule: options.analytics,
      insight: options.insight,
      session: () => link.session(),
      possibleNows: options.possibleNows,
      proxy: options.proxy,
      onGiven: (url, purpose) => options.ledger.record(reportsOfGateways(url, purpose)),
      stopping: stopping.signal,
      clock,
    }),
    onInsight: createInsightProxy({ ledger: options.ledger }),
    gates,
    clock,
    logger,
  });

  return {
    name: "gateway-side",
    welcomed: (session) => link.welcomed(session),
    announce: (mark, session) => sync.announce(mark, session),
    trustChanged: refresh,
    gatesOf: (appId) => gates.of(appId),
    start: async (signal) => {
      await sync.load();
      try {
        await feed.start(signal);
        alerts.clear("GatewayFeedDown");
      } catch (error) {
        // Apps without tracked resources and everything else go on; strict gates stay closed and say why.
        logger.error({ err: error }, "gateways cannot be served");
        const why = error instanceof Error ? error.message : "unknown";
        alerts.raise("GatewayFeedDown", `gateways cannot ask the agent for policies: ${why}`);
      }
    },
    stop: async (deadline) => {
      stopping.abort(new Error("the agent is stopping"));
      await sync.stop();
      await feed.stop(deadline);
    },
  };
}
