import type { Component } from "@drawbridge/lifecycle";
import { createGrpcServer, type ListenAddress, listening } from "@drawbridge/rpc";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import { createOutboxMetrics, createOutboxRelay } from "@drawbridge/store";
import { createGrantAccess } from "./analytics/grant-access.ts";
import { createConfigurationMarks } from "./api-configuration/configuration-marks.ts";
import { createPassRoutes } from "./api-configuration/pass-routes.ts";
import { createServeConfiguration } from "./api-configuration/serve-configuration.ts";
import { createBackground } from "./background.ts";
import type { RuntimeManagerConfig } from "./config.ts";
import { createCertificateRevokedConsumer } from "./consumers/certificate-revoked.ts";
import { encodeMessage, subjects } from "./control/control-messages.ts";
import { createDesiredHints } from "./control/desired-hints.ts";
import { createKick } from "./control/kick.ts";
import { createControlListener } from "./control/listen-control.ts";
import { createOwnerDirectory } from "./control/owner-directory.ts";
import type { FabricId } from "./domain/ids.ts";
import { reconnectWindowMs } from "./domain/reconnect-window.ts";
import { createLogStreams } from "./logs/log-streams.ts";
import { createLogsRelay } from "./logs/logs-relay.ts";
import { alertsPerPass, createLoops } from "./loops.ts";
import { createOutbound } from "./outbound.ts";
import { createAgentRpc } from "./rpc/agent-rpc.ts";
import { createApiBindingRpc } from "./rpc/api-binding-rpc.ts";
import { createAppRpc } from "./rpc/app-rpc.ts";
import { createArtefactReferenceRpc } from "./rpc/artefact-reference-rpc.ts";
import { createEntitlementRpc } from "./rpc/entitlement-rpc.ts";
import { createFabricExistenceRpc } from "./rpc/fabric-existence-rpc.ts";
import { createFabricRpc } from "./rpc/fabric-rpc.ts";
import { createGatekeeperRpc } from "./rpc/gatekeeper-rpc.ts";
import { createStreamLogs } from "./rpc/stream-logs.ts";
import { createSnapshotCache } from "./snapshot/snapshot-cache.ts";
import { createAgentRepository } from "./store/agents.ts";
import { createAlertRepository } from "./store/alerts.ts";
import { createArtefactReferences } from "./store/artefact-references.ts";
import { createApiBindingRepository } from "./store/api-bindings.ts";
import { createAppRepository } from "./store/apps.ts";
import { createCertificateRepository } from "./store/certificates.ts";
import { createCommandRunner } from "./store/commands.ts";
import { createDutyRepository, forgetRequests } from "./store/duties.ts";
import { createFabricRepository } from "./store/fabrics.ts";
import { createGatekeeperSettings } from "./store/gatekeeper-settings.ts";
import { createSessionRepository } from "./store/sessions.ts";
import { createSnapshotRepository } from "./store/snapshots.ts";
import { createStatusRepository } from "./store/statuses.ts";
import { createAskToRenew } from "./tunnel/ask-to-renew.ts";
import { createCheckCertificate } from "./tunnel/check-certificate.ts";
import { createConnections } from "./tunnel/connections.ts";
import { createDrainOnStop } from "./tunnel/drain-on-stop.ts";
import { createHandleFrame } from "./tunnel/handle-frame.ts";
import { createHelloGate } from "./tunnel/hello-gate.ts";
import { createHoldSession } from "./tunnel/hold-session.ts";
import { createOpenSession } from "./tunnel/open-session.ts";
import { createSessionRegistry } from "./tunnel/session-registry.ts";
import { createRenewCertificate } from "./tunnel/renew-certificate.ts";
import type { TunnelSettings } from "./tunnel/settings.ts";
import { createSupervisor } from "./tunnel/supervise.ts";
import { createTellRevoked } from "./tunnel/tell-revoked.ts";
import { createTrustBundleKeeper } from "./tunnel/trust-bundle-keeper.ts";
import { createTunnelRpc } from "./tunnel/tunnel-rpc.ts";

export interface RuntimeManagerService extends Service {
  /** Where it listens; after start. */
  addresses(): { readonly fabric: ListenAddress; readonly internal: ListenAddress };
}

export function createRuntimeManagerService(deps: ServiceDeps<RuntimeManagerConfig>): RuntimeManagerService {
  const { config, logger, clock, random, ids } = deps;
  const { metrics } = deps.telemetry;
  const settings = tunnelSettings(config);
  const { replica } = settings;

  // outbound
  const foundations = createFoundations(deps, { name: "runtime-manager" });
  const { health, ops, identity, bus } = foundations;
  const { store, certificateAuthority, apiManager, ...clients } = createOutbound(deps, foundations);
  const outbox = createOutboxRelay({ store, publish: (event) => bus.publishEvent(event), clock, logger, random });
  const fabrics = createFabricRepository(store);
  const apps = createAppRepository(store);
  const certificates = createCertificateRepository(store);
  const sessions = createSessionRepository(store);
  const statuses = createStatusRepository(store);
  const snapshotRows = createSnapshotRepository(store);
  const bindings = createApiBindingRepository(store);
  const snapshots = createSnapshotCache(snapshotRows, identity.holder);

  // the tunnels of this replica
  const registry = createSessionRegistry(clock);
  const connections = createConnections(clock);
  const gate = createHelloGate({ random, clock });
  const logStreams = createLogStreams(registry, clock);
  const owners = createOwnerDirectory({ bus, sessions, registry, replica, logger });
  const hints = createDesiredHints({ bus, registry, snapshots, generations: snapshotRows, logger });
  const marks = createConfigurationMarks({ apiManager, bindings, registry, clock, logger });
  const kick = createKick({ bus, registry, logger });
  const supervisor = createSupervisor({
    registry,
    connections,
    gate,
    sessions,
    logs: logStreams,
    settings,
    clock,
    random,
  });
  let agents = 0;
  const agentRows = createAgentRepository(store);
  const trustBundle = createTrustBundleKeeper({
    certificateAuthority,
    registry,
    note: (sequence) => agentRows.noteBundle(sequence),
    clock,
  });
  const askToRenew = createAskToRenew({ certificateAuthority, registry, agents: () => agents, clock });
  const onLocked = ({ agentId, fabricId }: { readonly agentId: string; readonly fabricId: FabricId }): void =>
    kick(agentId, { fabricId, code: "AGENT_LOCKED", serialNumber: "" });
  const alerts = createAlertRepository(store, settings);
  const openSession = createOpenSession({
    sessions,
    checkCertificate: createCheckCertificate({ certificates, certificateAuthority }),
    snapshots,
    registry,
    announceTakeOver: ({ terms }) => {
      bus
        .broadcast(
          subjects.session(terms.fabricId),
          encodeMessage({ order: String(terms.order), agentId: terms.agentId, bootId: terms.bootId }),
        )
        .catch((error: unknown) => logger.debug({ err: error }, "session not announced, left to the identity check"));
    },
    onLocked,
    offerTrustBundle: (session) => trustBundle.offer(session),
    marks,
    reconnectWindowMs: () => reconnectWindowMs(Math.max(agents, registry.size)),
    settings,
    clock,
    random,
    ids,
  });
  const handleFrame = createHandleFrame({
    renew: createRenewCertificate({
      certificateAuthority,
      certificates,
      trustBundle,
      agents: () => registry.size,
      random,
      metrics,
      logger,
    }),
    onSuperseded: (session) => {
      supervisor.checkIdentity(session).catch((error: unknown) => {
        logger.debug({ err: error }, "superseded session not looked at, left to the identity check");
      });
    },
    statuses,
    logs: logStreams,
    offerTrustBundle: (session) => trustBundle.offer(session),
    onDesiredChanged: (fabricId, generation) => hints.announce(fabricId, generation),
    clock,
    logger,
  });
  const holdSession = createHoldSession({
    handleFrame,
    registry,
    owners,
    sessions,
    logs: logStreams,
    connections,
    logger,
  });
  metrics.gauge("tunnels", { description: "tunnels held by this replica" }, () => registry.size);

  const refusals = followRevocations(deps, foundations);
  // inbound
  const fabricServer = createGrpcServer({
    name: "fabric",
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    ...foundations.listener,
    clientCertificate: "required",
    revocations: refusals,
    onRevoked: createTellRevoked({ registry, refusals }),
    services: [
      createTunnelRpc({
        gate,
        openSession,
        holdSession,
        snapshots,
        access: snapshotRows,
        configuration: createServeConfiguration(apiManager),
        routes: createPassRoutes({ apiManager, clock }),
        grantAnalyticsAccess: createGrantAccess({
          url: config.PUBLIC_ANALYTICS_URL,
          fabrics,
          identity: identity.holder,
          clock,
          ids,
        }),
      }),
    ],
    admission: {
      handshakesPerSecond: config.HANDSHAKES_PER_SECOND,
      concurrentHandshakes: config.CONCURRENT_HANDSHAKES,
      waiting: config.WAITING_HANDSHAKES,
      connections: config.TUNNELS,
    },
    onConnection: (connection) => connections.add(connection),
    maxSentMessageBytes: largestSnapshotBytes,
    health,
  });
  const streamLogs = createStreamLogs({ apps, fabrics, streams: logStreams, owners, bus, replica, ids });
  const commands = createCommandRunner(store);
  const internalServer = createGrpcServer({
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    identity: identity.holder,
    clientCertificate: "required",
    revocations: refusals,
    services: [
      createFabricRpc({
        fabrics,
        settings,
        onDeleted: ({ fabricId, agentId }) => {
          if (agentId) kick(agentId, { fabricId, code: "FABRIC_DELETED", serialNumber: "" });
        },
        clock,
        ids,
      }),
      createAppRpc({
        apps,
        commands,
        onDesiredChanged: (fabricId, generation) => hints.announce(fabricId, generation),
        streamLogs,
        clock,
        ids,
      }),
      createEntitlementRpc(apps, agentRows),
      createArtefactReferenceRpc(createArtefactReferences(store)),
      createFabricExistenceRpc(fabrics),
      createApiBindingRpc(bindings),
      createGatekeeperRpc({
        settings: createGatekeeperSettings(store),
        fabrics,
        onDesiredChanged: (fabricId, generation) => hints.announce(fabricId, generation),
        clock,
      }),
      createAgentRpc({ agents: agentRows, onLocked, clock }),
    ],
    maxMessageBytes: internalMessageBytes,
    logger,
    metrics,
    health,
    clock,
    ids,
  });
  const background = createBackground(
    "bus and its listeners",
    [
      bus,
      createCertificateRevokedConsumer({ bus, certificates, kick, clock, logger }),
      createControlListener({
        bus,
        replica,
        registry,
        hints,
        marks,
        onTrustNews: () => {
          for (const follow of [() => trustBundle.refresh(), askToRenew]) {
            follow().catch((error: unknown) =>
              logger.debug({ err: error }, "trust news not followed, left to the loops"),
            );
          }
        },
        runCommand: createLogsRelay({ bus, streams: logStreams, clock, logger }),
      }),
    ],
    logger,
  );
  const loops = createLoops({
    supervisor,
    hints,
    marks,
    owners,
    sessions,
    fabrics,
    duties: createDutyRepository(store),
    certificateAuthority,
    certificates,
    reviewAlerts: () => alerts.review(alertsPerPass),
    trustBundle,
    askToRenew,
    forgetRequests: (before) => forgetRequests(store, before),
    onAgentsCounted: (count) => {
      agents = count;
    },
    settings,
    clock,
    logger,
  });

  health.register("database", store.health);
  health.register("listeners", listening(fabricServer, internalServer));
  health.register("bus", bus.health, "degraded");
  health.register("outbox", outbox.health, "degraded");

  return {
    health,
    addresses: () => ({ fabric: fabricServer.address(), internal: internalServer.address() }),
    // Stopped backwards: the tunnels drain first and the store closes last.
    components: [
      deps.telemetry,
      ops,
      identity,
      store,
      releaseEarlierTunnels(() => sessions.releaseAll(replica)),
      ...clients.components,
      outbox,
      background,
      refusals,
      createOutboxMetrics({ store, metrics, clock }),
      ...loops,
      internalServer,
      fabricServer,
      createDrainOnStop({ gate, supervisor, registry, clock }),
    ],
  };
}

/** A list of 500 apps with their manifests is more than the 1 MiB of a tunnel frame. */
const internalMessageBytes = 16 * 1024 * 1024;
/** A thousand apps make a snapshot of a little over 1 MiB; agents take up to 16 MiB. */
const largestSnapshotBytes = 16 * 1024 * 1024;

/** A process that starts holds no tunnels, whatever the one before it of this name left in the database. */
function releaseEarlierTunnels(release: () => Promise<void>): Component {
  return { name: "earlier tunnels", start: () => release(), stop: () => Promise.resolve() };
}

function tunnelSettings(config: RuntimeManagerConfig): TunnelSettings {
  return {
    replica: config.REPLICA,
    heartbeatMs: config.HEARTBEAT_MS,
    deadAfterMs: config.DEAD_AFTER_MS,
    disconnectedAfterMs: config.DISCONNECTED_AFTER_MS,
    seenFlushMs: config.SEEN_FLUSH_MS,
    connectionAgeMs: config.CONNECTION_AGE_MS,
    identityCheckMs: config.IDENTITY_CHECK_MS,
    drainWindowMs: config.DRAIN_WINDOW_MS,
    bootGraceMs: config.DUPLICATE_AGENT_GRACE_SECONDS * 1_000,
    monitoringUrl: config.PUBLIC_MONITORING_URL ?? "",
    clockLimits: { warnSeconds: config.CLOCK_SKEW_WARN_SECONDS, failSeconds: config.CLOCK_SKEW_FAIL_SECONDS },
  };
}
