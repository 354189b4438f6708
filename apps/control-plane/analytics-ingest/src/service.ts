import { join } from "node:path";
import { createQueueConsumer, createSyncCheck, openQueueDeadLetters, openWorkQueue } from "@drawbridge/bus";
import { createStoreBackups, createStoreMigration, openConfiguredStore } from "@drawbridge/columnar";
import { createHeadStart } from "@drawbridge/lifecycle";
import { createGrpcServer, largestAnswerBytes, listening } from "@drawbridge/rpc";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import type { AnalyticsIngestConfig } from "./config.ts";
import { createDeadLetters } from "./dead-letters/dead-letters.ts";
import { createExchangeStore } from "./insight/exchange-store.ts";
import { createInsightRpc } from "./insight/insight-rpc.ts";
import { createReceiveExchanges } from "./insight/receive-exchanges.ts";
import { createAnalyticsRpc } from "./query/analytics-rpc.ts";
import { createIntake } from "./receive/create-intake.ts";
import { storeMigrations } from "./store-migrations.ts";
import { createBatchWriter } from "./write/batch-writer.ts";

export function createAnalyticsIngestService(deps: ServiceDeps<AnalyticsIngestConfig>): Service {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  // outbound
  const foundations = createFoundations(deps, { name: "analytics-ingest", requireDurable: true });
  const { health, ops, identity, bus, listener } = foundations;
  const startOfBus = createHeadStart(bus);
  const revocations = followRevocations(deps, foundations);
  const store = openConfiguredStore(config, { logger, clock, random });
  const backups = createStoreBackups({ store, settings: config, clock, logger });
  const queue = openWorkQueue(bus, "ANALYTICS");
  const deadLetters = createDeadLetters({ queue, letters: openQueueDeadLetters(bus, "ANALYTICS") });
  const syncCheck = createSyncCheck({ monitoringUrl: config.NATS_MONITORING_URL, logger, clock, random });
  const exchanges = createExchangeStore({
    store,
    directory: join(config.DATA_DIR, "insight"),
    retentionDays: config.INSIGHT_RETENTION_DAYS,
    clock,
    ids,
  });
  // inbound
  const intake = createIntake({
    receiveExchanges: (door) => createReceiveExchanges({ exchanges, clock, metrics }, door),
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    connections: config.CONNECTIONS,
    connectionsPerAddress: config.CONNECTIONS_PER_ADDRESS,
    limits: {
      bytesPerSecond: config.FABRIC_BYTES_PER_SECOND,
      requests: config.FABRIC_REQUESTS_IN_FLIGHT,
      bytesInFlight: config.IN_FLIGHT_BYTES,
    },
    ...listener,
    bus,
    queue,
  });
  const writer = createBatchWriter({
    consume: (handle) =>
      createQueueConsumer({
        bus,
        queue: "ANALYTICS",
        durable: "analytics-ingest",
        handle,
        logger,
        clock,
        random,
      }),
    store,
    deadLetters,
    dataDirectory: config.DATA_DIR,
    placeFile: config.GEOIP_FILE,
    retentionDays: config.RETENTION_DAYS,
    clock,
    random,
    ids,
    logger,
    metrics,
  });
  const internalServer = createGrpcServer({
    ...listener,
    clientCertificate: "required",
    revocations,
    health,
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    services: [
      createAnalyticsRpc({
        store,
        intake: {
          waitingBatches: async () => BigInt((await queue.usage()).messages),
          lagMs: () => writer.figures.lagMs ?? 0,
          retentionDays: config.RETENTION_DAYS,
        },
        deadLetters,
        clock,
      }),
      createInsightRpc({ store, clock, retentionDays: config.INSIGHT_RETENTION_DAYS }),
    ],
    maxSentMessageBytes: largestAnswerBytes,
  });

  health.register("columnar store", store.health);
  health.register("listeners", listening(internalServer, intake.server));
  health.register("bus", bus.health);
  health.register("writer", writer.health, "degraded");
  health.register("places", writer.places, "degraded");
  health.register("intake", intake.health, "degraded");
  health.register("backups", backups.health, "degraded");
  health.register("durability of the bus", syncCheck.health, "degraded");
  return {
    health,
    components: [
      telemetry,
      ops,
      startOfBus.begin,
      identity,
      revocations,
      store,
      createStoreMigration(store, storeMigrations),
      backups,
      writer,
      exchanges,
      syncCheck,
      internalServer,
      ...intake.components,
      startOfBus.rest,
    ],
  };
}
