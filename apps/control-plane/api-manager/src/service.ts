import { join } from "node:path";
import { ApiBindingServiceClient } from "@drawbridge/contracts/runtime/v1/api_binding_service";
import { createHeadStart, createLoop } from "@drawbridge/lifecycle";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, listening, type ListenAddress } from "@drawbridge/rpc";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import { createInboxCleaner, createOutboxMetrics, createOutboxRelay, openStore } from "@drawbridge/store";
import { createBindingQuestion } from "./clients/binding-question.ts";
import type { ApiManagerConfig } from "./config.ts";
import { createDeploymentConsumer } from "./consumers/deployment-consumer.ts";
import { createSealer } from "./crypto/sealer.ts";
import { createBindingReconciler } from "./reconcile-bindings.ts";
import { createAnalyticsSettingsRpc } from "./rpc/analytics-settings-rpc.ts";
import { createApiRpc } from "./rpc/api-rpc.ts";
import { createCaptureRpc } from "./rpc/capture-rpc.ts";
import { createClientRpc } from "./rpc/client-rpc.ts";
import { createConfigurationRpc } from "./rpc/configuration-rpc.ts";
import { createContractRpc } from "./rpc/contract-rpc.ts";
import { createPolicyRpc } from "./rpc/policy-rpc.ts";
import { createRouteRpc } from "./rpc/route-rpc.ts";
import { createWrite } from "./rpc/write.ts";
import { createBindingRepository } from "./store/bindings.ts";
import { endCaptures } from "./store/captures.ts";
import { createRestoreGuard } from "./restore-guard.ts";
import { collectGarbage } from "./store/collect-garbage.ts";
import { createConfigurationReader } from "./store/configuration-reader.ts";
import type { ApiManagerDatabase } from "./store/database.ts";
import { createSaves } from "./store/save.ts";

export interface ApiManagerService extends Service {
  /** Where it listens; after start. */
  address(): ListenAddress;
}

/** Room for a document of 1 MiB with modules beside it, and for 4 MiB of objects in an answer. */
const maxMessageBytes = 10 * 1024 * 1024;
const garbageMs = 30_000;
/** Gateways end a capture by themselves: this is when the configuration says so too. */
const capturesMs = 2_000;

export function createApiManagerService(deps: ServiceDeps<ApiManagerConfig>): ApiManagerService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  // outbound
  const foundations = createFoundations(deps, { name: "api-manager" });
  const { health, ops, identity, bus, peer, listener } = foundations;
  const url = config.DATABASE_URL_FILE;
  const store = openStore<ApiManagerDatabase>({ url, schema: "api_manager", logger, clock, random });
  const startOfBus = createHeadStart(bus);
  const revocations = followRevocations(deps, foundations);
  const runtimeManager = createGrpcClient(ApiBindingServiceClient, {
    address: config.RUNTIME_MANAGER_ADDRESS,
    expectedServer: "/cp/runtime-manager",
    ...peer,
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
    ...listener,
    clientCertificate: "required",
    revocations,
    services: [
      createApiRpc(operators),
      createAnalyticsSettingsRpc(operators),
      createCaptureRpc(operators),
      createPolicyRpc(operators),
      createClientRpc(operators),
      createContractRpc(operators),
      createConfigurationRpc(createConfigurationReader(store, sealer), identity.holder),
      createRouteRpc({ store, clock }),
    ],
    maxMessageBytes,
    health,
  });
  const garbage = createLoop({
    name: "garbage",
    clock,
    intervalMs: garbageMs,
    pass: () => collectGarbage(store, clock.now()),
    onError: (error) => logger.warn({ err: error, component: "garbage" }, "nothing was removed, will run again"),
  });
  const captureEnd = createLoop({
    name: "end of captures",
    clock,
    intervalMs: capturesMs,
    pass: () => endCaptures({ store, sealer, now: clock.now() }),
    onError: (error) =>
      logger.warn({ err: error, component: "end of captures" }, "captures were not ended, will run again"),
  });

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
      captureEnd,
      createRestoreGuard({ store, file: join(config.IDENTITY_DIR, "seen-changes"), clock, logger }),
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
