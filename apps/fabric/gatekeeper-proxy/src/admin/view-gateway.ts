import type { Analytics } from "../analytics/open-analytics.ts";
import type { createCacheKeeper } from "../cache/cache-keeper.ts";
import type { ConfigurationTree } from "../configuration/configuration-tree.ts";
import type { LinkSession } from "../feed/link-session.ts";
import type { Gatekeeper } from "../gatekeeper/gatekeeper.ts";
import type { Insight } from "../insight/open-insight.ts";
import type { GatewayView } from "./admin-server.ts";
import { viewGates } from "./gate-view.ts";

interface Viewed {
  readonly gatewayId: string;
  readonly tree: Pick<ConfigurationTree, "root">;
  readonly link: LinkSession;
  readonly gatekeeper: Gatekeeper;
  readonly workers: () => number;
  readonly peers: () => GatewayView["peers"];
  readonly keeper: Pick<ReturnType<typeof createCacheKeeper>, "state">;
  readonly analytics: Pick<Analytics, "view">;
  readonly insight: Pick<Insight, "view">;
}

/** What the gateway says of itself, now; gates of one app if it is named. */
export function viewGateway(of: Viewed, app?: string): GatewayView {
  const { root } = of.tree;
  const { state, since, reason } = of.link.state;
  return {
    gatewayId: of.gatewayId,
    link: { state, since: since.toISOString(), reason },
    configuration: root && {
      digest: root.digest,
      revision: Number(root.revision),
      issuedAt: root.issuedAt.toISOString(),
      isConfirmed: state === "up" && of.link.isConfirmed(root),
    },
    workers: of.workers(),
    peers: of.peers(),
    cache: of.keeper.state(),
    analytics: of.analytics.view(),
    insight: of.insight.view(),
    gates: viewGates(of.gatekeeper, app),
  };
}
