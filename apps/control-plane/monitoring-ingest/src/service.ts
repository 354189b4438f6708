import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { createHeadStart, createLoop } from "@drawbridge/lifecycle";
import { createGrpcClient, createGrpcServer, createHttpServer, largestAnswerBytes, listening } from "@drawbridge/rpc";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import { openStore } from "@drawbridge/store";
import { field } from "@drawbridge/telemetry";
import { createAskCertAuthority } from "./clients/ask-cert-authority.ts";
import type { MonitoringIngestConfig } from "./config.ts";
import { createCertificateStanding } from "./domain/certificate-standing.ts";
import { registerCheckInRoutes, shownCertificate } from "./http/check-in-routes.ts";
import { registerMetricsRoutes } from "./http/metrics-routes.ts";
import { watchConnections } from "./http/watch-connections.ts";
import { createMetricsIntake } from "./metrics-intake.ts";
import { createAppQueries } from "./metrics-store/app-queries.ts";
import { createCollectorRpc } from "./rpc/collector-rpc.ts";
import { createOwnQueries } from "./metrics-store/own-queries.ts";
import { createMetricsRpc } from "./rpc/metrics-rpc.ts";
import { createOwnMetricsRpc } from "./rpc/own-metrics-rpc.ts";
import { createCollectorRepository } from "./store/collector-repository.ts";
import type { MonitoringIngestDatabase } from "./store/database.ts";
import { forgetOldRecords } from "./store/forget-old-records.ts";
import { createKnownCertificateRepository } from "./store/known-certificate-repository.ts";

const cleanUpIntervalMs = 3_600_000;

export function createMonitoringIngestService(deps: ServiceDeps<MonitoringIngestConfig>): Service {
  const { config, logger, telemetry, clock, random } = deps;
  const { metrics } = telemetry;
  // outbound
  const foundations = createFoundations(deps, { name: "monitoring-ingest" });
  const { health, ops, identity, bus, peer, listener } = foundations;
  const url = config.DATABASE_URL_FILE;
  const store = openStore<MonitoringIngestDatabase>({ url, schema: "monitoring_ingest", logger, clock, random });
  const certAuthority = createGrpcClient(CertificateAuthorityServiceClient, {
    address: config.CERT_AUTHORITY_ADDRESS,
    expectedServer: "/cp/cert-authority",
    ...peer,
  });
  const startOfBus = createHeadStart(bus);
  const revocations = followRevocations(deps, foundations);
  const collectors = createCollectorRepository(store);
  const intake = createMetricsIntake(deps);
  // domain
  const standing = createCertificateStanding({
    ask: createAskCertAuthority({ call: certAuthority.call, logger }),
    known: createKnownCertificateRepository(store),
    clock,
    onForgotten: ({ serialNumber, fabricId }) =>
      logger.warn(
        { [field.serialNumber]: serialNumber, [field.fabricId]: fabricId },
        "cert-authority has no record of a certificate that it vouched for",
      ),
  });
  // inbound
  const common = { ...listener, clientCertificate: "required" as const, revocations };
  const fabricServer = createHttpServer({
    ...common,
    name: "fabric",
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    allow: [{ fabric: "collector" }],
    beforeRequest: (context) => standing.assertGood(shownCertificate(context)),
    register: async (app) => {
      registerCheckInRoutes(app, { collectors, intervalMs: config.CHECK_IN_INTERVAL_MS, clock, metrics });
      await registerMetricsRoutes(app, { ...intake, clock, metrics });
    },
  });
  const connectionCheck = watchConnections({
    connections: () => fabricServer.connections(),
    standing,
    clock,
    logger,
  });
  const internalServer = createGrpcServer({
    ...common,
    health,
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    services: [
      createCollectorRpc({ collectors }),
      createMetricsRpc({ queries: createAppQueries(intake.store), clock }),
      createOwnMetricsRpc({ queries: createOwnQueries(intake.store), clock }),
    ],
    maxSentMessageBytes: largestAnswerBytes,
  });
  const cleanUp = createLoop({
    name: "old records",
    clock,
    intervalMs: cleanUpIntervalMs,
    pass: async () => {
      const removed = await forgetOldRecords(store, clock.now());
      if (removed.certificates + removed.collectors > 0) logger.info(removed, "old records removed");
    },
    onError: (error) => logger.warn({ err: error }, "old records could not be removed"),
  });

  health.register("database", store.health);
  health.register("listeners", listening(fabricServer, internalServer));
  health.register("bus", bus.health, "degraded");
  // Check-ins go on without it.
  health.register("columnar store", intake.store.health, "degraded");
  health.register("backups", intake.backups.health, "degraded");
  health.register("metrics", intake.committer.health, "degraded");
  return {
    health,
    components: [
      telemetry,
      ops,
      startOfBus.begin, // nothing waits for it: it tells sooner of revocations, and has them when cert-authority is away
      identity,
      store,
      revocations,
      certAuthority,
      ...intake.components,
      cleanUp,
      connectionCheck,
      internalServer,
      fabricServer,
    ],
  };
}
