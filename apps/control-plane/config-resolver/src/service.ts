import { ArtefactReferenceServiceClient } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import { EntitlementServiceClient } from "@drawbridge/contracts/runtime/v1/app_service";
import { createHeadStart } from "@drawbridge/lifecycle";
import { createGrpcClient, createGrpcServer, createHttpServer, listening } from "@drawbridge/rpc";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { createFoundations, followRevocations, type Service, type ServiceDeps } from "@drawbridge/service";
import { createOutboxMetrics, createOutboxRelay, openStore } from "@drawbridge/store";
import { createFileBlobStore } from "./blobs/file-blob-store.ts";
import { createReferenceQuestion } from "./clients/artefact-references.ts";
import { createEntitlementQuestion } from "./clients/entitlement-client.ts";
import type { ConfigResolverConfig } from "./config.ts";
import type { ArtefactDigest } from "./domain/artefact-digest.ts";
import { createBundleUploads } from "./domain/bundle-uploads.ts";
import { createConfigurations } from "./domain/configurations.ts";
import { createEntitlement } from "./domain/entitlement.ts";
import { createGarbageCollection } from "./domain/garbage.ts";
import { createFreedRecord, createHousekeeping } from "./housekeeping.ts";
import { registerFabricRoutes } from "./http/fabric-routes.ts";
import { createTransferMetrics } from "./http/transfer-metrics.ts";
import { registerUploadRoutes } from "./http/upload-routes.ts";
import { createConfigurationRpc } from "./rpc/configuration-rpc.ts";
import { createBundleRepository } from "./store/bundle-repository.ts";
import { createConfigurationRepository } from "./store/configuration-repository.ts";
import type { ConfigResolverDatabase } from "./store/database.ts";
import { createDigestLocks } from "./store/digest-locks.ts";
import { createDigestKey } from "./store/digest-key.ts";
import { createGarbageRepository } from "./store/garbage-repository.ts";
import { createRefusalAudit } from "./store/refusal-audit.ts";

const hourMs = 3_600_000;
/** A configuration of 1 MiB and what is around it; the rule itself is checked behind it, with a better message. */
const maxMessageBytes = 8 * 1024 * 1024;

export function createConfigResolverService(deps: ServiceDeps<ConfigResolverConfig>): Service {
  const { config, logger, telemetry, clock, random } = deps;
  const { metrics } = telemetry;
  const idleMs = config.UPLOAD_IDLE_SECONDS * 1_000;
  // outbound
  const foundations = createFoundations(deps, { name: "config-resolver" });
  const { health, ops, identity, bus, peer } = foundations;
  const url = config.DATABASE_URL_FILE;
  const store = openStore<ConfigResolverDatabase>({ url, schema: "config_resolver", logger, clock, random });
  const startOfBus = createHeadStart(bus);
  const revocations = followRevocations(deps, foundations);
  const runtimeManager = {
    ...peer,
    address: config.RUNTIME_MANAGER_ADDRESS,
    expectedServer: "/cp/runtime-manager" as const,
  };
  const entitlements = createGrpcClient(EntitlementServiceClient, runtimeManager);
  const references = createGrpcClient(ArtefactReferenceServiceClient, runtimeManager);
  const outbox = createOutboxRelay({ store, publish: (event) => bus.publishEvent(event), clock, logger, random });
  const blobs = createFileBlobStore(config.BLOB_DIR);
  const lock = createDigestLocks({ store, clock, random, logger });
  const bundles = createBundleRepository(store);
  const transfers = createTransferMetrics(metrics);
  const onFreed = createFreedRecord({ metrics, logger });
  const refused = metrics.counter("artefact_refused_total", {
    description: "artefacts asked for by a fabric that may not have them",
  });
  const refusals = createRefusalAudit(store, () => refused.add(1));
  // domain
  const keks = parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal());
  const digestKey = createDigestKey({ store, keks, clock });
  const repository = createConfigurationRepository(store);
  const configurations = createConfigurations({ repository, keks, digestKey: () => digestKey.get(), clock });
  const uploads = createBundleUploads({ blobs, bundles, lock, clock });
  const garbage = createGarbageCollection({
    records: createGarbageRepository(store),
    blobs,
    lock,
    askReferenced: createReferenceQuestion(references.call),
    graceMs: config.ARTEFACT_GRACE_HOURS * hourMs,
    clock,
    onFreed,
  });
  const entitlement = createEntitlement({ ask: createEntitlementQuestion(entitlements.call), clock });
  // inbound
  const common = { ...foundations.listener, clientCertificate: "required" as const, revocations };
  const fabricServer = createHttpServer({
    ...common,
    name: "fabric",
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    allow: [{ fabric: "agent" }, { fabric: "gateway" }],
    register: (app) => {
      const readConfiguration = (digest: ArtefactDigest) => configurations.read(digest);
      registerFabricRoutes(app, { entitlement, refusals, blobs, readConfiguration, transfers, clock, logger, idleMs });
    },
  });
  const uploadServer = createHttpServer({
    ...common,
    name: "upload",
    listen: config.UPLOAD_LISTEN,
    allow: [{ service: "management-api" }],
    requestTimeoutMs: 0, // 2 GiB take as long as they take; standing still is what ends an upload
    register: (app) => registerUploadRoutes(app, { uploads, bundles, transfers, logger, idleMs }),
  });
  const internalServer = createGrpcServer({
    ...common,
    health,
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    services: [createConfigurationRpc({ configurations, bundles })],
    maxMessageBytes,
  });
  const housekeeping = createHousekeeping({
    uploads,
    garbage,
    blobs,
    onFreed,
    abandonedAfterMs: config.PARTIAL_UPLOAD_HOURS * hourMs,
    metrics,
    clock,
    logger,
  });

  health.register("database", store.health);
  health.register("listeners", listening(fabricServer, uploadServer, internalServer));
  health.register("bus", bus.health, "degraded");
  return {
    components: [
      telemetry,
      ops,
      startOfBus.begin,
      identity,
      store,
      revocations,
      entitlements,
      references,
      blobs,
      lock,
      digestKey,
      createOutboxMetrics({ store, metrics, clock }),
      housekeeping,
      internalServer,
      uploadServer,
      fabricServer,
      // Nothing waits for the bus but what needs it: artefacts are served without it too, announcements wait in the outbox.
      startOfBus.rest,
      outbox,
    ],
    health,
  };
}
