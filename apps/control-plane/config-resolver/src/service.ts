import { connectBus, createRevocationNews } from "@drawbridge/bus";
import { ArtefactReferenceServiceClient } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import { EntitlementServiceClient } from "@drawbridge/contracts/runtime/v1/app_service";
import {
  createHeadStart,
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
  type GrpcServer,
  type HttpServer,
  listening,
} from "@drawbridge/rpc";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { createOutboxMetrics, createOutboxRelay, openStore } from "@drawbridge/store";
import type { Logger, Telemetry } from "@drawbridge/telemetry";
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

export interface ConfigResolverDeps {
  readonly config: ConfigResolverConfig;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export interface ConfigResolverService {
  /** In start order; stop runs it backwards. */
  readonly components: readonly Component[];
  readonly fabricServer: HttpServer;
  readonly uploadServer: HttpServer;
  readonly internalServer: GrpcServer;
}

const hourMs = 3_600_000;
/** A configuration of 1 MiB and what is around it; the rule itself is checked behind it, with a better message. */
const maxMessageBytes = 8 * 1024 * 1024;

export function createConfigResolverService(deps: ConfigResolverDeps): ConfigResolverService {
  const { config, logger, telemetry, health, clock, random, ids } = deps;
  const { metrics } = telemetry;
  const idleMs = config.UPLOAD_IDLE_SECONDS * 1_000;
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
  const store = openStore<ConfigResolverDatabase>({ url, schema: "config_resolver", logger, clock, random });
  const bus = connectBus({
    url: config.NATS_URL,
    credentials: config.NATS_CREDENTIALS_FILE,
    name: config.REPLICA,
    service: "config-resolver",
    logger,
    clock,
    random,
  });
  const peer = { identity: identity.holder, logger, clock, random };
  const startOfBus = createHeadStart(bus);
  const revocations = createRevocationList({
    source: { address: config.CERT_AUTHORITY_ADDRESS, identity: identity.holder },
    news: createRevocationNews(bus),
    clock,
    random,
    logger,
    metrics,
  });
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
  const mutualTls = { identity: identity.holder, clientCertificate: "required" as const, revocations };
  const common = { ...mutualTls, logger, metrics, clock, ids };
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

  observeIdentity(metrics, identity.holder);
  health.register("identity", identity.health);
  health.register("database", store.health);
  health.register("revocations", revocations.health);
  health.register("revocation list age", revocations.freshness, "degraded");
  health.register("listeners", listening(fabricServer, uploadServer, internalServer));
  health.register("bus", bus.health, "degraded");
  return {
    components: [
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
    fabricServer,
    uploadServer,
    internalServer,
  };
}
