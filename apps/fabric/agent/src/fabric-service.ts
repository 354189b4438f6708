import { gatewayDirectory, gatewayPaths } from "@drawbridge/app-routes";
import type { EgressLedger } from "@drawbridge/egress";
import type { AlertBoard } from "./alerts/alert-board.ts";
import { registerAgentMetrics } from "./agent-metrics.ts";
import { createBundleStore } from "./artefacts/bundle-store.ts";
import { createConfigurationStore } from "./artefacts/configuration-store.ts";
import { createGarbageCollector } from "./artefacts/garbage-collector.ts";
import { createResolverClient } from "./artefacts/resolver-client.ts";
import { createClockSkew } from "./clock/clock-skew.ts";
import { createClockWatch } from "./clock/clock-watch.ts";
import type { ClusterDriver, ClusterFacts } from "./cluster/cluster-driver.ts";
import type { AgentConfig } from "./config.ts";
import { createAppExecutor } from "./control/app-executor.ts";
import { createControlLoop, type ControlLoop } from "./control/control-loop.ts";
import { createSlots } from "./control/slots.ts";
import { createDesiredStore } from "./desired/desired-store.ts";
import { createSpaceReserve } from "./state/space-reserve.ts";
import { createDesiredSync, type DesiredSync } from "./desired/desired-sync.ts";
import { diagnoseEndpoint } from "./doctor/diagnose-endpoint.ts";
import { createEgressGate } from "./egress/egress-gate.ts";
import { createAgentCredentials, type AgentCredentials } from "./identity/agent-credentials.ts";
import { createGatewaySide } from "./gateway/gateway-side.ts";
import type { IdentityStore } from "./identity/identity-store.ts";
import type { AgentIdentity } from "./identity/load-agent-identity.ts";
import type { Recovery } from "./identity/recovery-port.ts";
import { createTrustAdopter } from "./identity/trust-adopter.ts";
import type { TrustStore } from "./identity/trust-store.ts";
import { createLogsSender } from "./logs/logs-sender.ts";
import { createRenewal, type Renewal } from "./renewal/create-renewal.ts";
import { createRenewOrderWatch } from "./renewal/renew-order.ts";
import { createStatusReporter } from "./report/status-reporter.ts";
import type { AgentStateStore } from "./state/agent-state.ts";
import type { StateLayout } from "./state/state-layout.ts";
import { createHealer } from "./tunnel/create-healer.ts";
import { createEventRouter } from "./tunnel/event-router.ts";
import { clusterInfoOf, makeHeartbeat, makeHello, type Standing } from "./tunnel/make-hello.ts";
import { highestEpochIn } from "./tunnel/highest-epoch.ts";
import { openSession } from "./tunnel/open-session.ts";
import { createSessionWatch } from "./tunnel/session-watch.ts";
import { createTunnelClient, type TunnelClient } from "./tunnel/tunnel-client.ts";
import { createLoop, type Clock, type Component, type IdSource, type Random } from "@drawbridge/lifecycle";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";

export interface FabricDeps {
  readonly config: Pick<
    AgentConfig,
    "ALLOW_ANALYTICS" | "ALLOW_INSIGHT" | "ALLOW_LOGS" | "ALLOW_ROUTE_WORDS" | "HTTPS_PROXY" | "MAX_CONCURRENT_ROLLOUTS"
  >;
  readonly layout: StateLayout;
  readonly identity: AgentIdentity;
  readonly identities: IdentityStore;
  readonly trust: TrustStore;
  readonly state: AgentStateStore;
  readonly ledger: EgressLedger;
  readonly driver: ClusterDriver;
  readonly monitoring: IdentityStore;
  /** The way back when the certificate is not accepted any more; undefined where there is none. */
  readonly recovery: Recovery | undefined;
  readonly onRestartNeeded: () => void;
  readonly alerts: AlertBoard;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

/** Everything that an activated agent runs. */
export interface FabricService {
  readonly components: readonly Component[];
  readonly credentials: AgentCredentials;
  readonly tunnel: Pick<TunnelClient, "state">;
  readonly desired: Pick<DesiredSync, "current" | "announced">;
  readonly loop: Pick<ControlLoop, "report">;
  readonly renewal: Pick<Renewal, "held" | "forceAll">;
  readonly skewMs: () => number | undefined;
  readonly isClockSynced: () => boolean;
}

/** Wire the parts of an activated agent; reads from the wish to the tunnel that brings it. */
export function createFabricService(deps: FabricDeps): FabricService {
  const { config, layout, state, driver, alerts, logger, metrics, clock, random, ids } = deps;
  const { fabricId, agentId, endpoints } = deps.identity.meta;
  const stopping = new AbortController();
  const bootId = ids.next();
  const proxy = config.HTTPS_PROXY;
  const payload = config.ALLOW_LOGS ? "allowed" : "refused";
  const egress = createEgressGate({ ledger: deps.ledger, payload });
  const skew = createClockSkew({
    initialMs: state.get().clockSkewMs,
    clock,
    alerts,
    store: (clockSkewMs) => void save((current) => ({ ...current, clockSkewMs })),
  });
  const credentials = createAgentCredentials(deps.identity, {
    identities: deps.identities,
    trust: deps.trust,
    clock,
    possibleNows: () => skew.possibleNows(),
    measuredSkewMs: () => skew.measuredMs(),
    logger,
  });

  async function save(change: Parameters<AgentStateStore["update"]>[0]): Promise<void> {
    await state.update(change).catch((error: unknown) => logger.warn({ err: error }, "state.json cannot be written"));
  }

  async function reloadIdentity(): Promise<void> {
    await credentials.reload();
    await renewal.reload();
  }

  const propagation = metrics.histogram("propagation_seconds", {
    description: "from the announcement of a generation to its take-over",
    unit: "s",
    buckets: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
  });

  // what is wanted
  const desired = createDesiredSync({
    fabricId,
    store: createDesiredStore({
      directory: layout.desired,
      fabricId,
      reserve: createSpaceReserve({ path: layout.reserve }),
      clock,
      logger,
    }),
    trustBundle: () => credentials.trustBundle(),
    existingAppIds: async () => {
      await loop.firstPass;
      const wished = desired.current();
      const named = [...(wished?.apps ?? []), ...(wished?.unusable ?? [])].map(({ appId }) => appId);
      return new Set([...loop.observed().keys(), ...named]);
    },
    onAccepted: () => {
      loop.wake();
      void garbage.collect();
    },
    onPropagated: (seconds) => propagation.record(seconds),
    alerts,
    clock,
    random,
    logger,
  });

  // how it is brought about
  const resolver = createResolverClient({
    baseUrl: endpoints.configResolver,
    identity: () => credentials.snapshot(),
    proxy,
    egress,
    clock,
    measuredSkewMs: () => skew.measuredMs(),
  });
  const fetching = { client: resolver, clock, random, logger };
  const bundles = createBundleStore({ ...fetching, directory: layout.bundles, downloads: layout.downloads });
  const configurations = createConfigurationStore({ ...fetching, directory: layout.configurations });
  const garbage = createGarbageCollector({
    bundles,
    configurations,
    desired: () => ({ current: desired.current(), previous: desired.previous() }),
    appliedBundles: () => state.get().appliedBundles,
    logger,
  });
  const executor = createAppExecutor({
    driver,
    bundles,
    configurations,
    slots: createSlots(config.MAX_CONCURRENT_ROLLOUTS),
    onApplied: async ({ appId, bundle }) => {
      if (state.get().appliedBundles[appId] === bundle.digest) return;
      await save((current) => ({ ...current, appliedBundles: { ...current.appliedBundles, [appId]: bundle.digest } }));
      void garbage.collect();
    },
    onRemoved: (appId) =>
      save((current) => ({
        ...current,
        appliedBundles: Object.fromEntries(Object.entries(current.appliedBundles).filter(([id]) => id !== appId)),
      })),
    onChange: () => loop.wake(),
    clock,
    random,
    logger,
  });
  const reporter = createStatusReporter({ clock, signal: stopping.signal, logger });
  const loop: ControlLoop = createControlLoop({
    driver,
    executor,
    desired: () => desired.current(),
    gatesOf: (appId) => gateways.gatesOf(appId),
    onReport: (report) => reporter.update(report),
    alerts,
    clock,
    logger,
  });
  const shared = gatewayPaths(gatewayDirectory(layout.cluster));
  const gateways = createGatewaySide({
    fabricId,
    socketPath: shared.feedSocket,
    rootPath: layout.apiConfiguration,
    trustBundle: () => credentials.trustBundle(),
    chosenWords: config.ALLOW_ROUTE_WORDS ? "allowed" : "refused",
    analytics: config.ALLOW_ANALYTICS ? "allowed" : "refused",
    insight: config.ALLOW_INSIGHT ? "allowed" : "refused",
    ledger: deps.ledger,
    possibleNows: () => skew.possibleNows(),
    proxy,
    tunnelState: () => tunnel.state(),
    onGatesChanged: () => loop.wake(),
    alerts,
    clock,
    random,
    logger,
  });
  const tending = createLoop({
    name: "gateway-processes",
    clock,
    intervalMs: 1_000,
    pass: (signal) => driver.tend(signal),
    onError: (error) => logger.warn({ err: error }, "gateways cannot be tended, will retry"),
  });
  const logs = createLogsSender({
    rule: payload,
    driver,
    isKnown: (appId) => loop.observed().has(appId),
    clock,
    logger,
  });

  // what keeps the certificates young
  const adoptTrustBundle = createTrustAdopter({
    credentials,
    onAdopted: () => {
      desired.forgetRefusals(); // it may have been signed under the new root
      gateways.trustChanged();
      renewal.trustChanged();
    },
    alerts,
    logger,
  });
  const renewal = createRenewal({
    ...deps,
    credentials,
    skew,
    adoptTrustBundle,
    tunnel: () => tunnel,
  });

  // who is told and who says it
  let facts: ClusterFacts | undefined;
  const standing = (): Standing => ({
    generation: desired.current()?.generation ?? 0n,
    digest: desired.current()?.digest ?? "",
    trustBundleSequence: credentials.trustBundle().sequence,
    certificates: renewal.heldForProto(),
    now: clock.now(),
  });
  const tunnel = createTunnelClient({
    addresses: endpoints.tunnel,
    hello: async () => {
      await save((current) => ({ ...current, epoch: current.epoch + 1 }));
      facts = await driver.info().catch(() => facts); // what was known before is better than no tunnel
      const cluster = clusterInfoOf(driver.kind, facts ?? unknownFacts, config.ALLOW_LOGS);
      return makeHello({ agentId, bootId, epoch: BigInt(state.get().epoch), cluster, standing: standing() });
    },
    open: async (address, hello, handlers, signal) => {
      try {
        const choice = renewal.choose();
        const identity = credentials.snapshot(choice);
        const about = { address, hello, handlers, identity, egress, proxy, clock, logger };
        const session = await openSession(about, signal);
        if (choice === "candidate") await renewal.candidateWorked();
        return session;
      } catch (error) {
        const seen = highestEpochIn(error);
        if (seen !== undefined) await save((current) => ({ ...current, epoch: Math.max(current.epoch, seen) }));
        throw error;
      }
    },
    heartbeat: () => {
      renewal.refreshAlerts();
      return makeHeartbeat(standing(), alerts.list());
    },
    heal: createHealer({
      recovery: deps.recovery,
      lastChoice: () => renewal.lastChoice(),
      reload: reloadIdentity,
      alerts,
      clock,
      logger,
    }),
    reloadCredentials: reloadIdentity,
    diagnose: (address, signal) =>
      diagnoseEndpoint(
        { address, credentials, proxy, ledger: deps.ledger, clock, measuredSkewMs: () => skew.measuredMs() },
        signal,
      ),
    handlers: createEventRouter({ desired, reporter, skew, logs, renewal, adoptTrustBundle, gateways, alerts }),
    clock,
    random,
    logger,
    metrics,
  });

  registerAgentMetrics(metrics, {
    meta: () => credentials.meta(),
    monitoringNotAfter: () => renewal.held().find(({ purpose }) => purpose === "monitoring")?.meta.notAfter,
    rootsDer: () => credentials.trustBundle().rootsDer,
    trustBundleSequence: () => credentials.trustBundle().sequence,
    desired,
    loop,
    skewMs: () => skew.measuredMs(),
    now: () => clock.now(),
  });

  const watch = createSessionWatch({
    state: () => tunnel.state(),
    onOverdue: (withoutMs) => {
      logger.error(
        { [field.durationMs]: withoutMs },
        "no session for too long: asking to be started again, apps go on",
      );
      deps.onRestartNeeded();
    },
    clock,
  });
  const clockWatch = createClockWatch({
    onJump: (jumpMs) => {
      logger.warn({ jump_ms: Math.round(jumpMs) }, "the machine was suspended or its clock was set: looking anew");
      skew.noteJump(jumpMs);
      tunnel.session()?.beat(); // its answer says which of the two it was
      renewal.loop.wake();
    },
    clock,
    logger,
  });
  const renewOrder = createRenewOrderWatch({
    path: layout.renewOrder,
    onOrder: () => renewal.forceAll(),
    clock,
    logger,
  });
  const preparation: Component = {
    name: "preparation",
    start: async () => {
      await bundles.open();
      await desired.load();
      await renewal.resume();
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      await desired.stop();
      await logs.stop();
    },
  };
  return {
    components: [resolver, preparation, gateways, loop, tending, tunnel, watch, clockWatch, renewal.loop, renewOrder],
    credentials,
    tunnel,
    renewal,
    desired,
    loop,
    skewMs: () => skew.measuredMs(),
    isClockSynced: () => skew.isSynced(),
  };
}

const unknownFacts: ClusterFacts = {
  nodes: 0,
  cpuMillicores: 0,
  memoryBytes: 0,
  clusterVersion: "",
  containerRuntimeVersion: "",
};
