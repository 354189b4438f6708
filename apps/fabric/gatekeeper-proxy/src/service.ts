import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { gatewayPaths } from "@drawbridge/app-routes";
import { createLoop, type Clock, type Component, type Health, type IdSource, type Random } from "@drawbridge/lifecycle";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import { createAdminServer, type GatewayView } from "./admin/admin-server.ts";
import { viewGates } from "./admin/gate-view.ts";
import { createCacheKeeper } from "./cache/cache-keeper.ts";
import { DiskCache, rootFileName, type CacheContent } from "./cache/disk-cache.ts";
import type { GatekeeperProxyConfig } from "./config.ts";
import { apiKey, type ApiName } from "./configuration/api-key.ts";
import { ConfigurationTree } from "./configuration/configuration-tree.ts";
import { ObjectStore } from "./configuration/object-store.ts";
import { createApiResolver } from "./configuration/resolve-api.ts";
import { RootFollower } from "./configuration/root-follower.ts";
import { openCounterFile } from "./counters/counter-file.ts";
import { createFeed } from "./feed/feed-client.ts";
import { LinkSession } from "./feed/link-session.ts";
import { isDecided } from "./gate/gate.ts";
import { Gatekeeper } from "./gatekeeper/gatekeeper.ts";
import { createGatewayMetrics } from "./gateway-metrics.ts";
import { GateReporter } from "./report/gate-reporter.ts";
import { logGates } from "./report/log-gates.ts";
import { createAppWatch } from "./routes/app-watch.ts";
import { AppStatus } from "./status/app-status.ts";
import { readModuleKeys } from "./trust/module-keys.ts";
import { openTrust } from "./trust/trust-file.ts";
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
  const startedMs = clock.monotonicMs();

  // what is known
  const trust = openTrust(join(paths.directory, "trust-bundle.json"), logger);
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
    directory: paths.cache,
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
      keeper.changed();
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
    apply: (changes) => pool.apply(changes),
    onGates: (changed) => {
      for (const record of changed) {
        reporter.changed(record.appId);
        metrics.transition(record.gate.gate.state);
      }
      logGates(changed, { explain: (record) => gatekeeper.explain(record), logger });
    },
    onGateGone: ({ appId }) => reporter.changed(appId),
    onBound: (apis) => readCache(apis),
    onAppSent: (appId, tableSequence, sequence) => status.sent(appId, tableSequence, sequence),
  });

  // what follows
  const counters = openCounterFile({
    path: join(paths.directory, "counters"),
    entries: config.COUNTER_ENTRIES,
    clock,
    logger,
  });
  const status = new AppStatus({ clock, retry: (appId) => gatekeeper.retryListener(appId) });
  const pool = createWorkerPool({
    count: config.WORKERS ?? availableParallelism(),
    entry: new URL(`./worker/main${extname(import.meta.filename)}`, import.meta.url),
    start: {
      gatewayId: config.GATEWAY_ID,
      counters: counters.storage,
      settings: { trustedProxies: config.TRUSTED_PROXIES?.networks ?? [] },
      trustedModuleKeys: readModuleKeys(join(paths.directory, "module-keys.pem"), logger),
      log: { level: config.LOG_LEVEL, format: config.LOG_FORMAT },
    },
    everything: () => gatekeeper.everything(),
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
        metrics.workerGone();
      },
      onMessage: (index, message) => {
        switch (message.type) {
          case "unusable":
            return gatekeeper.unusable(message.setId, message.problems);
          case "listening":
            return status.listening(index, message);
          case "in_flight":
            return status.inFlight(index, message);
          case "analytics":
            return metrics.requests(message);
        }
      },
    },
  });
  const reporter: GateReporter = new GateReporter({
    gatewayId: config.GATEWAY_ID,
    gatekeeper,
    clock,
    send: (report) => feed.report(report),
  });
  const keeper = createCacheKeeper({ cache, content: cacheContent, clock, logger });

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
      onTrustBundle: (bundle) => void trust.replace(bundle).then((isChanged) => isChanged && roots.trustChanged()),
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
    },
    onRemoved: (appId) => {
      gatekeeper.removeApp(appId);
      status.remove(appId);
    },
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

  const reading = new Map<string, Promise<void>>();
  function readCache(apis: readonly ApiName[]): void {
    const bound = new Map(apis.map((api) => [apiKey(api), api]));
    for (const key of reading.keys()) if (!bound.has(key)) reading.delete(key);
    for (const [key, api] of bound) if (!reading.has(key)) reading.set(key, readOne(key, api));
  }

  async function readOne(key: string, api: ApiName): Promise<void> {
    const bundle = trust.current();
    if (bundle === undefined) return gatekeeper.cacheRead(key, "none");
    const cached = await cache.read(api, bundle);
    if (cached.found === "corrupt")
      logger.error({ api: api.name, version: api.version }, "the cached policies of an API are corrupt");
    gatekeeper.cacheRead(key, cached.found === "set" ? cached : cached.found);
  }

  function cacheContent(): CacheContent | undefined {
    const { root } = tree;
    if (root === undefined) return undefined;
    const wishes = [...tree.wishes].map(({ api, resolution }) => ({ key: apiKey(api), resolution }));
    return {
      root: rootFileName(root.jws),
      rootJws: root.jws,
      find: store.find,
      complete: wishes.flatMap(({ key, resolution }) =>
        resolution.resolved === "complete"
          ? [
              {
                key,
                setId: resolution.set.setId,
                objects: resolution.objects,
                isEarlierUsable: (setId: string) => gatekeeper.isUsable(key, setId),
              },
            ]
          : [],
      ),
      absent: new Set(wishes.flatMap(({ key, resolution }) => (resolution.resolved === "absent" ? [key] : []))),
      bound: gatekeeper.gates.keys,
      isConfirmed: link.state.state === "up" && link.isConfirmed(root),
    };
  }

  const opening: Component = {
    name: "opening",
    start: async (signal) => {
      await cache.open();
      const bundle = trust.current();
      const newest = bundle && (await cache.newestRoot(bundle));
      if (newest !== undefined) roots.remember(newest);
      await apps.start(signal);
      await setImmediate(); // the apps that were read are bound by then
      const opened = Promise.all(reading.values());
      await Promise.race([opened, clock.sleep(openingMs, signal)]);
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
    directory: paths.directory,
    view: (app) => viewGateway(app),
    drain,
    health,
    telemetry,
    logger,
  });

  function viewGateway(app?: string): GatewayView {
    const { root } = tree;
    const { state, since, reason } = link.state;
    return {
      gatewayId: config.GATEWAY_ID,
      link: { state, since: since.toISOString(), reason },
      configuration: root && {
        digest: root.digest,
        revision: Number(root.revision),
        issuedAt: root.issuedAt.toISOString(),
        isConfirmed: state === "up" && link.isConfirmed(root),
      },
      workers: pool.alive(),
      cache: keeper.failure() ?? "ok",
      gates: viewGates(gatekeeper, app),
    };
  }

  health.register("routes", () => (apps.isRead() ? undefined : "routes.json was not read yet"));
  health.register("workers", () => (pool.alive() > 0 ? undefined : "no worker takes requests"));
  health.register("draining", () => (isDraining ? "asked to drain" : undefined));
  health.register("gates", () => {
    if (clock.monotonicMs() - startedMs >= config.INITIAL_SYNC_TIMEOUT_SECONDS * 1_000) return undefined;
    const undecided = [...gatekeeper.gates.all()].filter(({ gate }) => !isDecided(gate.gate)).length;
    return undecided === 0 ? undefined : `${undecided} gates have come to no decision yet`;
  });
  health.register("cache", () => keeper.failure(), "degraded");
  health.register(
    "ports",
    () => {
      const failures = status.failures().map(({ appName, failure }) => `${appName}: ${failure}`);
      return failures.length === 0 ? undefined : failures.join(", ");
    },
    "degraded",
  );

  // The workers come last, so that they stop first: everything else goes on while they finish what they have.
  const workers: Component = {
    ...pool,
    stop: async (deadline) => {
      status.stopping();
      await pool.stop(deadline);
    },
  };
  return [telemetry, admin, opening, keeper, fetching, feed, ticking, collecting, counters, workers];
}
