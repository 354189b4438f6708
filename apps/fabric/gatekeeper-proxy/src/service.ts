import { extname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { gatewayPaths, openTrafficTally, trafficPath } from "@drawbridge/app-routes";
import { createLoop, type Clock, type Component, type Health, type IdSource, type Random } from "@drawbridge/lifecycle";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import type { TrustBundle } from "@drawbridge/pki";
import { createAdminServer } from "./admin/admin-server.ts";
import { viewGateway } from "./admin/view-gateway.ts";
import { openAnalytics } from "./analytics/open-analytics.ts";
import { createCacheKeeper } from "./cache/cache-keeper.ts";
import { createCacheReader } from "./cache/cache-reader.ts";
import { createCacheContent } from "./cache/cache-content.ts";
import { DiskCache } from "./cache/disk-cache.ts";
import type { GatekeeperProxyConfig } from "./config.ts";
import { ConfigurationTree } from "./configuration/configuration-tree.ts";
import { ObjectStore } from "./configuration/object-store.ts";
import { createApiResolver } from "./configuration/resolve-api.ts";
import { RootFollower } from "./configuration/root-follower.ts";
import { createFeed } from "./feed/feed-client.ts";
import { LinkSession } from "./feed/link-session.ts";
import { Gatekeeper } from "./gatekeeper/gatekeeper.ts";
import { registerGatewayHealth } from "./gateway-health.ts";
import { createGatewayMetrics } from "./gateway-metrics.ts";
import { openInsight } from "./insight/open-insight.ts";
import { orderedCaptures } from "./insight/ordered-captures.ts";
import { openLimits } from "./peers/open-limits.ts";
import { createRouteReporter } from "./observed-routes/route-reporter.ts";
import { GateReporter } from "./report/gate-reporter.ts";
import { logGates } from "./report/log-gates.ts";
import { createAppWatch } from "./routes/app-watch.ts";
import { createSharedPorts } from "./shared-ports/shared-ports.ts";
import { createTakeOver } from "./take-over/take-over.ts";
import { readModuleKeys } from "./trust/module-keys.ts";
import { openTrust } from "./trust/trust-file.ts";
import { workerCount } from "./workers/worker-count.ts";
import { createWorkerPool } from "./workers/worker-pool.ts";

interface GatekeeperProxyDeps {
  readonly config: GatekeeperProxyConfig;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

const reviewEveryMs = 250;
const collectEveryMs = 60_000;
/** So long workers wait for what the disk has: then they start without it. */
const openingMs = 2_000;

/**
 * files of driver and replicas -> apps -+
 * agent's stream -> link, root -> tree -+-> gatekeeper -> workers (requests), reports to the agent, status files
 * disk cache ---------------------------+
 */
export function createGatekeeperProxyService(deps: GatekeeperProxyDeps): readonly Component[] {
  const { config, logger, telemetry, health, clock, random, ids } = deps;
  const paths = gatewayPaths(config.STATE_DIR);
  const ownDirectory = config.OWN_DIR ?? paths.directory;
  const startedMs = clock.monotonicMs();

  // what is known
  const trust = openTrust(join(ownDirectory, "trust-bundle.json"), logger);
  const store = new ObjectStore();
  const link = new LinkSession(clock.now(), clock.monotonicMs());
  const roots = new RootFollower({
    trustBundle: trust.current,
    fabricId: config.FABRIC_ID,
    logger,
    onRoot: (root) => {
      link.follow(root);
      tree.follow(root);
      linkChanged();
      keeper.changed();
    },
  });
  const cache = new DiskCache({
    directory: join(ownDirectory, "cache"),
    fabricId: config.FABRIC_ID,
    store,
    resolve: createApiResolver(store.find),
    clock,
    logger,
  });
  const tree = new ConfigurationTree({
    store,
    loadObject: cache.loadObject,
    getObjects: (digests) => feed.getObjects(digests),
    clock,
    random,
    logger,
    onChange: (keys) => {
      gatekeeper.apisChanged(keys);
      keeper.changed(keys);
    },
  });

  // what is decided
  const gatekeeper: Gatekeeper = new Gatekeeper({
    tree,
    link,
    clock,
    options: {
      connectDeadlineMs: config.CONNECT_DEADLINE_SECONDS * 1_000,
      blockOnEdit: config.BLOCK_ON_EDIT,
      cacheMaxAgeMs: config.CACHE_MAX_AGE_HOURS === undefined ? undefined : config.CACHE_MAX_AGE_HOURS * 3_600_000,
    },
    apply: (changes) => pool.apply(takeOver.filter(changes)),
    onGates: (changed) => {
      takeOver.gatesChanged(changed);
      for (const record of changed) {
        reporter.changed(record.appId);
        metrics.transition(record.gate.gate.state);
      }
      logGates(changed, { explain: (record) => gatekeeper.explain(record), logger });
    },
    onGateGone: (record) => {
      takeOver.gatesChanged([record]);
      reporter.changed(record.appId);
    },
    onBound: (apis) => reader.read(apis),
    onAppSent: (appId, tableSequence, sequence) => status.sent(appId, tableSequence, sequence),
  });

  // what follows
  const limits = openLimits({
    directory: ownDirectory,
    peersDirectory: config.PEERS_DIR,
    entries: config.COUNTER_ENTRIES,
    gatewayId: config.GATEWAY_ID,
    metrics: telemetry.metrics,
    clock,
    logger,
  });
  const analytics = openAnalytics({
    ownDirectory,
    sharedDirectory: paths.directory,
    config,
    trustBundle: trust.current,
    getAccess: (refusedToken) => feed.getAnalyticsAccess(refusedToken, "requests"),
    metrics: telemetry.metrics,
    health,
    clock,
    logger,
  });
  const insight = openInsight({
    config,
    workers: workerCount(config),
    captures: () => orderedCaptures(gatekeeper),
    trustBundle: trust.current,
    getAccess: (refusedToken) => feed.getAnalyticsAccess(refusedToken, "insight"),
    reportSent: (sent) => feed.reportInsight(sent),
    metrics: telemetry.metrics,
    clock,
    logger,
  });
  const takeOver = createTakeOver({ gatewayId: config.GATEWAY_ID, gatekeeper: () => gatekeeper, clock });
  const { status } = takeOver;
  const traffic = openTrafficTally({ path: trafficPath(ownDirectory), clock });
  const pool = createWorkerPool({
    count: workerCount(config),
    entry: new URL(`./worker/main${extname(import.meta.filename)}`, import.meta.url),
    start: {
      gatewayId: config.GATEWAY_ID,
      counters: limits.storage,
      analytics: analytics.memory,
      insight: insight.memory,
      recordedCounts: analytics.recordedCounts,
      settings: {
        trustedProxies: config.TRUSTED_PROXIES?.networks ?? [],
        upstreamClient: config.UPSTREAM_CLIENT,
        analytics: config.ALLOW_ANALYTICS ? "told" : "untold",
        chosenWords: config.ALLOW_ROUTE_WORDS ? "allowed" : "refused",
        insight: insight.permission,
      },
      trustedModuleKeys: readModuleKeys(join(paths.directory, "module-keys.pem"), logger),
      log: { level: config.LOG_LEVEL, format: config.LOG_FORMAT },
    },
    everything: () => takeOver.filterForOne(gatekeeper.everything()),
    clock,
    logger,
    stopAcceptingAfterMs: config.STOP_ACCEPTING_AFTER_SECONDS * 1_000,
    events: {
      onApplied: (sequence) => {
        gatekeeper.applied(sequence);
        status.applied(sequence);
      },
      onGone: (index) => {
        status.gone(index);
        sharedPorts.gone(index);
        analytics.threadGone(index);
        insight.workerGone(index);
        metrics.workerGone();
      },
      onMessage: (index, message) => {
        switch (message.type) {
          case "unusable":
            return gatekeeper.unusable(message.setId, message.problems);
          case "listening":
            sharedPorts.listening(index, message);
            return status.listening(index, message);
          case "in_flight":
            return status.inFlight(index, message);
          case "requests":
            return analytics.record(index, message);
          case "tallies":
            if (message.dropped !== undefined) analytics.lose(index, message.dropped);
            return metrics.requests(message);
          case "traffic":
            return message.replicas.forEach((replica) => traffic.add(replica));
          case "exchange":
          case "lost_exchanges":
            return insight.receive(index, message);
          case "routes":
            return routes.saw(message);
        }
      },
    },
  });
  const sharedPorts = createSharedPorts({ gatekeeper, clock, health, logger });
  const reporter: GateReporter = new GateReporter({
    gatewayId: config.GATEWAY_ID,
    gatekeeper,
    clock,
    send: (report) => feed.report(report),
  });
  const routes = createRouteReporter({ tree, link, feed: () => feed, metrics: () => metrics, clock, logger });
  const content = createCacheContent({ tree, link, gatekeeper, store });
  const keeper = createCacheKeeper({ cache, content, clock, logger });

  // what comes in
  const feed = createFeed({
    socketPath: paths.feedSocket,
    gatewayId: config.GATEWAY_ID,
    bootId: ids.next(),
    clock,
    logger,
    rootDigest: () => tree.root?.digest ?? "",
    completeReport: () => reporter.complete(),
    events: {
      onLink: (report) => {
        link.report(report, { nowMs: clock.monotonicMs(), root: tree.root });
        if (report.isUp) tree.retry();
        linkChanged();
      },
      onRoot: (jws) => void roots.offer(jws),
      onTrustBundle: (bundle) => void replaceTrust(bundle),
      onLost: () => {
        link.lose("AGENT_GONE", clock.now(), clock.monotonicMs());
        linkChanged();
      },
    },
  });
  const apps = createAppWatch({
    routesPath: paths.routes,
    clock,
    onApp: (served) => {
      status.serve(served.route);
      gatekeeper.setApp(served);
      takeOver.gatesChanged([served.route]);
    },
    onRemoved: (appId) => {
      gatekeeper.removeApp(appId);
      status.remove(appId);
    },
    onShared: (wish) => sharedPorts.follow(wish),
  });
  const metrics = createGatewayMetrics(telemetry.metrics, {
    gates: gatekeeper.gates,
    store,
    workers: () => pool.alive(),
    isLinkUp: () => link.state.state === "up",
  });

  let linkSeen = "";
  /** All gates look at the connection; a new root of the same session says nothing new about it. */
  function linkChanged(): void {
    const { state, sinceMs, reason } = link.state;
    const seen = [state, sinceMs, reason, link.isConfirmed(tree.root)].join();
    if (seen === linkSeen) return;
    linkSeen = seen;
    gatekeeper.reviewAll();
  }

  async function replaceTrust(bundle: TrustBundle): Promise<void> {
    if (!(await trust.replace(bundle))) return;
    analytics.trustChanged(bundle);
    insight.trustChanged(bundle);
    roots.trustChanged();
  }

  const reader = createCacheReader({ cache, trust: trust.current, gatekeeper: () => gatekeeper, keeper, logger });

  const opening: Component = {
    name: "opening",
    start: async (signal) => {
      await cache.open();
      const bundle = trust.current();
      const newest = bundle && (await cache.newestRoot(bundle));
      if (newest !== undefined) roots.remember(newest);
      await apps.start(signal);
      await setImmediate(); // the apps that were read are bound by then
      await Promise.race([reader.whenRead(), clock.sleep(openingMs, signal)]);
    },
    stop: (deadline) => apps.stop(deadline),
  };
  const fetching: Component = {
    name: "configuration",
    start: () => {
      fetched = tree.run();
      return Promise.resolve();
    },
    stop: () => {
      tree.stop();
      return fetched;
    },
  };
  let fetched = Promise.resolve();
  const ticking = createLoop({
    name: "gates",
    clock,
    intervalMs: reviewEveryMs,
    pass: () => {
      gatekeeper.tick();
      const released = takeOver.released();
      if (released.length > 0) pool.apply(released);
      return Promise.resolve();
    },
    onError: (error) => logger.error({ err: error }, "gates could not be reviewed"),
  });
  const collecting = createLoop({
    name: "objects",
    clock,
    intervalMs: collectEveryMs,
    pass: () => {
      const isFetching = [...tree.wishes].some(({ resolution }) => resolution.resolved === "missing");
      if (!isFetching) store.keepOnly(tree.neededObjects());
      return Promise.resolve();
    },
    onError: (error) => logger.error({ err: error }, "objects could not be collected"),
  });

  let isDraining = false;
  const drain = (): void => {
    isDraining = true;
    status.stopping();
    void pool.drain(new AbortController().signal);
  };
  const admin = createAdminServer({
    listen: config.ADMIN_LISTEN,
    directory: ownDirectory,
    view: (app) =>
      viewGateway(
        {
          gatewayId: config.GATEWAY_ID,
          tree,
          link,
          gatekeeper,
          workers: pool.alive,
          peers: limits.peers,
          keeper,
          analytics,
          insight,
        },
        app,
      ),
    drain,
    health,
    telemetry,
    clock,
    logger,
  });

  registerGatewayHealth(health, {
    isRead: () => apps.isRead(),
    workers: () => pool.alive(),
    isDraining: () => isDraining,
    isOverdue: () => clock.monotonicMs() - startedMs >= config.INITIAL_SYNC_TIMEOUT_SECONDS * 1_000,
    gates: gatekeeper.gates,
    cacheFailure: () => keeper.failure(),
    status,
  });

  // The workers come last, so that they stop first: everything else goes on while they finish what they have.
  const workers: Component = {
    ...pool,
    stop: async (deadline) => {
      status.stopping();
      await pool.stop(deadline);
      traffic.flush();
    },
  };
  const following = [keeper, fetching, feed, ticking, collecting, routes, sharedPorts];
  return [telemetry, admin, opening, ...following, ...limits.components, analytics, insight, workers];
}
