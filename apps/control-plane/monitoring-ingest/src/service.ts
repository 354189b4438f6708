import { connectBus, createRevocationNews } from "@drawbridge/bus";
import { CertificateAuthorityServiceClient } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import {
  createHeadStart,
  createLoop,
  type Clock,
  type Component,
  type Health,
  type IdSource,
  type Random,
} from "@drawbridge/lifecycle";
import {
  createGrpcClient,
  createGrpcServer,
  createHttpServer,
  createOpsServer,
  createRevocationList,
  createServiceIdentity,
  observeIdentity,
} from "@drawbridge/rpc";
import { openStore } from "@drawbridge/store";
import { field, type Logger, type Telemetry } from "@drawbridge/telemetry";
import { createAskCertAuthority } from "./clients/ask-cert-authority.ts";
import type { MonitoringIngestConfig } from "./config.ts";
import { createCertificateStanding } from "./domain/certificate-standing.ts";
import { registerCheckInRoutes, shownCertificate } from "./http/check-in-routes.ts";
import { watchConnections } from "./http/watch-connections.ts";
import { createCollectorRpc } from "./rpc/collector-rpc.ts";
import { createCollectorRepository } from "./store/collector-repository.ts";
import type { MonitoringIngestDatabase } from "./store/database.ts";
import { forgetOldRecords } from "./store/forget-old-records.ts";
import { createKnownCertificateRepository } from "./store/known-certificate-repository.ts";

export interface MonitoringIngestDeps {
  readonly config: MonitoringIngestConfig;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export interface MonitoringIngestService {
  /** In start order; stop runs it backwards. */
  readonly components: readonly Component[];
}

const cleanUpIntervalMs = 3_600_000;

export function createMonitoringIngestService(deps: MonitoringIngestDeps): MonitoringIngestService {
  const { config, logger, telemetry, health, clock, random, ids } = deps;
  const { metrics } = telemetry;
  // outbound
  const ops = createOpsServer({ listen: config.OPS_LISTEN, health, telemetry, logger });
  const identity = createServiceIdentity({
    dir: config.IDENTITY_DIR,
    trustDomain: config.TRUST_DOMAIN,
    certAuthority: { address: config.CERT_AUTHORITY_ADDRESS },
    replica: config.REPLICA,
    trustNews: (onHint) => bus.subscribe("ctl.bundle", () => onHint()),
    clock,
    random,
    logger,
    ids,
  });
  const url = config.DATABASE_URL_FILE;
  const store = openStore<MonitoringIngestDatabase>({ url, schema: "monitoring_ingest", logger, clock, random });
  const certAuthority = createGrpcClient(CertificateAuthorityServiceClient, {
    address: config.CERT_AUTHORITY_ADDRESS,
    expectedServer: "/cp/cert-authority",
    identity: identity.holder,
    logger,
    clock,
    random,
  });
  const bus = connectBus({
    url: config.NATS_URL,
    credentials: config.NATS_CREDENTIALS_FILE,
    name: config.REPLICA,
    service: "monitoring-ingest",
    logger,
    clock,
    random,
  });
  const startOfBus = createHeadStart(bus);
  const revocations = createRevocationList({
    source: { address: config.CERT_AUTHORITY_ADDRESS, identity: identity.holder },
    news: createRevocationNews(bus),
    clock,
    random,
    logger,
    metrics,
  });
  const collectors = createCollectorRepository(store);
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
  const mutualTls = { identity: identity.holder, clientCertificate: "required" as const, revocations };
  const common = { ...mutualTls, logger, metrics, clock, ids };
  const fabricServer = createHttpServer({
    ...common,
    name: "fabric",
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    allow: [{ fabric: "collector" }],
    beforeRequest: (context) => standing.assertGood(shownCertificate(context)),
    register: (app) =>
      registerCheckInRoutes(app, { collectors, intervalMs: config.CHECK_IN_INTERVAL_MS, clock, metrics }),
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
    services: [createCollectorRpc({ collectors })],
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

  health.register("identity", identity.health);
  health.register("database", store.health);
  health.register("revocations", revocations.health);
  health.register("revocation list age", revocations.freshness, "degraded");
  health.register("bus", bus.health, "degraded");
  observeIdentity(metrics, identity.holder);
  return {
    components: [
      ops,
      startOfBus.begin, // nothing waits for it: it tells sooner of revocations, and has them when cert-authority is away
      identity,
      store,
      revocations,
      certAuthority,
      cleanUp,
      connectionCheck,
      internalServer,
      fabricServer,
    ],
  };
}
