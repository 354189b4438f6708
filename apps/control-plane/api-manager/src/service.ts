import { connectBus, createRevocationNews } from "@drawbridge/bus";
import { ApiBindingServiceClient } from "@drawbridge/contracts/runtime/v1/api_binding_service";
import {
  createHeadStart,
  createHealth,
  createLoop,
  type Clock,
  type Component,
  type Health,
  type IdSource,
  type Random,
} from "@drawbridge/lifecycle";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import {
  createGrpcClient,
  createGrpcServer,
  createOpsServer,
  createRevocationList,
  createServiceIdentity,
  listening,
  observeIdentity,
  type ListenAddress,
} from "@drawbridge/rpc";
import { createInboxCleaner, createOutboxMetrics, createOutboxRelay, openStore } from "@drawbridge/store";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
import { createBindingQuestion } from "./clients/binding-question.ts";
import type { ApiManagerConfig } from "./config.ts";
import { createDeploymentConsumer } from "./consumers/deployment-consumer.ts";
import { createSealer } from "./crypto/sealer.ts";
import { createBindingReconciler } from "./reconcile-bindings.ts";
import { createApiRpc } from "./rpc/api-rpc.ts";
import { createClientRpc } from "./rpc/client-rpc.ts";
import { createConfigurationRpc } from "./rpc/configuration-rpc.ts";
import { createContractRpc } from "./rpc/contract-rpc.ts";
import { createPolicyRpc } from "./rpc/policy-rpc.ts";
import { createWrite } from "./rpc/write.ts";
import { createBindingRepository } from "./store/bindings.ts";
import { collectGarbage } from "./store/collect-garbage.ts";
import { createConfigurationReader } from "./store/configuration-reader.ts";
import type { ApiManagerDatabase } from "./store/database.ts";
import { createSaves } from "./store/save.ts";

export interface ApiManagerDeps {
  readonly config: ApiManagerConfig;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export interface ApiManagerService {
  /** In start order; stop runs it backwards. */
  readonly components: readonly Component[];
  readonly health: Health;
  /** Where it listens; after start. */
  address(): ListenAddress;
}

/** Room for a document of 1 MiB with modules beside it, and for 4 MiB of objects in an answer. */
const maxMessageBytes = 10 * 1024 * 1024;
const garbageMs = 30_000;

export function createApiManagerService(deps: ApiManagerDeps): ApiManagerService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  const health = createHealth();
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
  const store = openStore<ApiManagerDatabase>({ url, schema: "api_manager", logger, clock, random });
  const bus = connectBus({
    url: config.NATS_URL,
    credentials: config.NATS_CREDENTIALS_FILE,
    name: config.REPLICA,
    service: "api-manager",
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
  const runtimeManager = createGrpcClient(ApiBindingServiceClient, {
    address: config.RUNTIME_MANAGER_ADDRESS,
    identity: identity.holder,
    expectedServer: "/cp/runtime-manager",
    logger,
    clock,
    random,
  });
  const outbox = createOutboxRelay({ store, publish: (event) => bus.publishEvent(event), clock, logger, random });
  // domain
  const sealer = createSealer(parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal()));
  const write = createWrite(createSaves({ store, sealer }), clock);
  const bindings = createBindingRepository(store);
  const question = createBindingQuestion(runtimeManager.call);
  // inbound
  const operators = { store, write, sealer, clock, ids };
  const server = createGrpcServer({
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    identity: identity.holder,
    clientCertificate: "required",
    revocations,
    services: [
      createApiRpc(operators),
      createPolicyRpc(operators),
      createClientRpc(operators),
      createContractRpc(operators),
      createConfigurationRpc(createConfigurationReader(store, sealer), identity.holder),
    ],
    maxMessageBytes,
    logger,
    metrics,
    health,
    clock,
    ids,
  });
  const garbage = createLoop({
    name: "garbage",
    clock,
    intervalMs: garbageMs,
    pass: () => collectGarbage(store, clock.now()),
    onError: (error) => logger.warn({ err: error, component: "garbage" }, "nothing was removed, will run again"),
  });

  observeIdentity(metrics, identity.holder);
  health.register("identity", identity.health);
  health.register("revocations", revocations.health);
  health.register("revocation list age", revocations.freshness, "degraded");
  health.register("database", store.health);
  health.register("listeners", listening(server));
  health.register("bus", bus.health, "degraded");
  health.register("outbox", outbox.health, "degraded");
  return {
    health,
    address: () => server.address(),
    components: [
      telemetry,
      ops,
      startOfBus.begin,
      identity,
      store,
      revocations,
      runtimeManager,
      createOutboxMetrics({ store, metrics, clock }),
      garbage,
      server,
      createBindingReconciler({
        bindings,
        question,
        intervalMs: config.RECONCILE_SECONDS * 1_000,
        clock,
        logger,
      }),
      // Nothing waits for the bus but what needs it: operators are served without it too, announcements wait in the outbox.
      startOfBus.rest,
      outbox,
      createInboxCleaner({ store, clock, logger }),
      createDeploymentConsumer({ bus, bindings, question, clock, logger }),
    ],
  };
}
