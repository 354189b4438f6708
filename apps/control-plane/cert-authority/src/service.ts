import { join } from "node:path";
import { createRevocationNews } from "@drawbridge/bus";
import { FabricExistenceServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_existence_service";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import {
  createConfirmFabricDeletion,
  createGrpcClient,
  createGrpcServer,
  createHttpServer,
  createRevocationList,
  listening,
} from "@drawbridge/rpc";
import { createFoundations, type Service, type ServiceDeps } from "@drawbridge/service";
import { createInboxCleaner, createOutboxMetrics, createOutboxRelay, openStore } from "@drawbridge/store";
import { wireAuthority } from "./ca/wire-authority.ts";
import type { CertAuthorityConfig } from "./config.ts";
import { createFabricDeletedConsumer } from "./consumers/fabric-deleted.ts";
import { createSigningThread } from "./signing/create-signing-thread.ts";
import { createIssueQueue } from "./store/issue-queue.ts";
import { createIssueCertificate } from "./domain/issue-certificate.ts";
import { nameLimitOf } from "./domain/name-limit.ts";
import { publicRoutes } from "./http/public-routes.ts";
import { createCrlCache } from "./revocation/crl-cache.ts";
import { createMirrorBucket } from "./revocation/mirror-bucket.ts";
import { createRestoreGuard } from "./revocation/restore-guard.ts";
import { createRevocationMirror } from "./revocation/revocation-mirror.ts";
import { createSupersededJob } from "./revocation/superseded-job.ts";
import { createCertificateAuthorityRpc } from "./rpc/certificate-authority-rpc.ts";
import { createRevocationRpc, listRevocations } from "./rpc/revocation-rpc.ts";
import { countIssues, gaugeExpiry, timeSigning } from "./issue-metrics.ts";
import { createCertificateRepository } from "./store/certificate-repository.ts";
import { createRevocationRepository } from "./store/revocation-repository.ts";
import { findCrlIssuer } from "./store/crl-issuer.ts";
import { markIncomplete, readCompleteness } from "./store/list-completeness.ts";
import { createMirrorRepository } from "./store/mirror-repository.ts";
import { isRecorded } from "./store/record-certificates.ts";
import type { CertAuthorityDb } from "./store/schema.ts";

export interface CertAuthorityService extends Service {
  /** Where it listens; after the start. */
  addresses(): { readonly internal: ListenAddress; readonly public: ListenAddress };
}

type ListenAddress = CertAuthorityConfig["INTERNAL_LISTEN"];

export function createCertAuthorityService(deps: ServiceDeps<CertAuthorityConfig>): CertAuthorityService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const { metrics } = telemetry;
  const keks = parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal());

  // outbound
  const foundations = createFoundations(deps, { name: "cert-authority" });
  const { health, ops, identity, bus, peer } = foundations;
  const store = openStore<CertAuthorityDb>({
    url: config.DATABASE_URL_FILE,
    schema: "cert_authority",
    logger,
    clock,
    random,
  });
  const runtimeManager = createGrpcClient(FabricExistenceServiceClient, {
    address: config.RUNTIME_MANAGER_ADDRESS,
    expectedServer: "/cp/runtime-manager",
    ...peer,
  });
  const outbox = createOutboxRelay({ store, publish: (event) => bus.publishEvent(event), clock, random, logger });
  const certificates = createCertificateRepository(store);
  const revocations = createRevocationRepository(store);

  // Hints, for those who ask again every few seconds anyway.
  const hint = (subject: "ctl.revoked" | "ctl.bundle"): void =>
    void bus.broadcast(subject, new Uint8Array()).catch(() => undefined);
  const mirror = createRevocationMirror({
    repository: createMirrorRepository(store),
    bucket: createMirrorBucket(bus),
    onTakenBack: () => hint("ctl.revoked"),
    raiseBundle: (above) => raiseBundle(above),
    clock,
    logger,
    metrics,
  });
  const restoreGuard = createRestoreGuard({
    read: () => readCompleteness(store),
    markIncomplete: () => markIncomplete(store),
    file: join(config.IDENTITY_DIR, "revocation-position"),
    clock,
    logger,
  });
  revocations.onRevoked(() => {
    hint("ctl.revoked");
    mirror.wake();
  });

  // domain
  const {
    authority,
    clockHealth,
    issuing,
    keepers,
    watch: authorityWatch,
    raiseBundle,
    rpc: authorityRpc,
    readSuccession,
  } = wireAuthority({
    config,
    keks,
    store,
    certificates,
    bus,
    identity: identity.holder,
    logger,
    metrics,
    clock,
    random,
    ids,
  });
  const signing = createSigningThread({ cas: () => authority.get().signers, logger });
  const queue = createIssueQueue({
    store,
    limit: config.ISSUE_QUEUE_LIMIT,
    nameLimit: nameLimitOf({
      certificates: config.NAME_CERTIFICATE_LIMIT,
      leafTtlSeconds: config.LEAF_TTL_SECONDS,
      leafTtlMode: config.LEAF_TTL_MODE,
    }),
    metrics,
  });
  const signLeaf = timeSigning(signing.sign, { metrics, clock });
  const issueCertificate = countIssues(
    createIssueCertificate({
      issuing,
      signLeaf,
      leafTtlSeconds: config.LEAF_TTL_SECONDS,
      queue,
      isRecorded: (requestId) => isRecorded(store, requestId),
      clock,
    }),
    metrics,
  );
  const crls = createCrlCache({
    activeIssuerId: () => authority.get().issuingFor("fabric").id,
    findIssuer: (id) => findCrlIssuer(store, { id, keks }),
    revocations,
    clock,
  });
  const superseded = createSupersededJob({
    store,
    revocations,
    graceSeconds: config.SUPERSEDED_GRACE_SECONDS,
    clock,
    logger,
  });

  const refusals = createRevocationList({
    source: { read: (request) => listRevocations(revocations, request) },
    news: { subscribe: createRevocationNews(bus).subscribe },
    clock,
    random,
    logger,
    metrics,
  });
  revocations.onRevoked(() => refusals.hint());

  // inbound
  const internal = createGrpcServer({
    name: "internal",
    listen: config.INTERNAL_LISTEN,
    identity: identity.holder,
    clientCertificate: "required",
    revocations: refusals,
    services: [
      authorityRpc,
      createCertificateAuthorityRpc({
        assertCurrent: () => authorityWatch.assertCurrent(),
        authority,
        issueCertificate,
        readSuccession,
        certificates,
        revocations,
        clock,
      }),
      createRevocationRpc({ revocations, mirror, restoreGuard }),
    ],
    maxConcurrentStreams: 1_000,
    health,
    logger,
    metrics,
    clock,
    ids,
  });
  const publicHttp = createHttpServer({
    name: "public",
    listen: config.FABRIC_LISTEN,
    proxyProtocolFrom: config.PROXY_PROTOCOL_FROM,
    identity: identity.holder,
    clientCertificate: "none",
    allow: ["anyone"],
    register: publicRoutes({ authority, assertCurrent: () => authorityWatch.assertCurrent(), crls }),
    bodyLimitBytes: 1024,
    logger,
    metrics,
    clock,
    ids,
  });
  const fabricDeleted = createFabricDeletedConsumer({
    bus,
    store,
    revocations,
    confirmDeletion: createConfirmFabricDeletion({ call: runtimeManager.call, logger, metrics }),
    logger,
    clock,
  });
  const inboxCleaner = createInboxCleaner({ store, clock, logger });

  gaugeExpiry(metrics, "issuing_ca", () =>
    authority.isLoaded() ? authority.get().issuingFor("fabric").notAfter : undefined,
  );
  gaugeExpiry(metrics, "root_ca", () => (authority.isLoaded() ? authority.get().rootNotAfter : undefined));
  for (const [name, check] of Object.entries({
    database: store.health,
    authority: authority.health,
  })) {
    health.register(name, check);
  }
  health.register("revocations", refusals.health);
  health.register("revocation list age", refusals.freshness, "degraded");
  health.register("listeners", listening(internal, publicHttp));
  health.register("clocks", clockHealth, "degraded");
  health.register("bus", bus.health, "degraded");
  health.register("revocation list", restoreGuard.health, "degraded");
  health.register("revocation mirror", mirror.health, "degraded");
  health.register("outbox", outbox.health, "degraded");

  return {
    // Start order; stop runs it backwards. The store comes before the bus: certificates are issued without the bus too.
    components: [
      telemetry,
      ops,
      store,
      restoreGuard,
      authority,
      signing,
      identity,
      refusals,
      internal,
      publicHttp,
      superseded,
      ...keepers,
      bus,
      authorityWatch, // before the mirror, which raises the sequence of a restored record
      mirror,
      outbox,
      inboxCleaner,
      createOutboxMetrics({ store, metrics, clock }),
      runtimeManager,
      fabricDeleted,
    ],
    health,
    addresses: () => ({ internal: internal.address(), public: publicHttp.address() }),
  };
}
