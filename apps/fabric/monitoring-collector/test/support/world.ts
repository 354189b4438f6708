import { randomUUID } from "node:crypto";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { CollectorServiceClient, type Collector } from "@drawbridge/contracts/monitoring/v1/collector_service";
import {
  MetricsServiceClient,
  type AppMetrics,
  type ShowAppsRequest,
} from "@drawbridge/contracts/monitoring/v1/metrics_service";
import {
  OwnMetricsServiceClient,
  type OwnMetric,
  type ShowOwnMetricsRequest,
} from "@drawbridge/contracts/monitoring/v1/own_metrics_service";
import {
  chainToPem,
  createCsr,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  trustBundleToJson,
  type IdentityMaterial,
} from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import {
  certAuthorityMigrations,
  createMonitoringIngestProcess,
  createTestLogger,
  monitoringIngestMigrations,
  startCertAuthority,
  startTestNats,
  startTestPostgres,
  tempDir,
  type MonitoringIngestProcess,
} from "@drawbridge/testkit";
import { createCollectorProcess, type CollectorProcess } from "./collector-process.ts";

/** cert-authority, monitoring-ingest (an interval of 50 ms) and their PostgreSQL, all real. One per test file. */
export interface World extends AsyncDisposable {
  readonly ingest: MonitoringIngestProcess;
  /** A fabric with an agent's state folder; nothing is in it yet. */
  createFabric(options?: { readonly sampleIntervalMs?: number }): Promise<Fabric>;
  /** As management-api asks. */
  showApps(request: ShowAppsRequest): Promise<readonly AppMetrics[]>;
  showOwnMetrics(request: ShowOwnMetricsRequest): Promise<readonly OwnMetric[]>;
  revoke(serialNumber: string): Promise<void>;
}

export interface Fabric extends AsyncDisposable {
  readonly stateDir: string;
  readonly collector: CollectorProcess;
  issue(kind?: "collector" | "agent"): Promise<IdentityMaterial & { readonly serialNumber: string }>;
  /** Write a generation as the agent does, without switching to it; `files` may lack one or hold anything. */
  stage(generation: number, files: Readonly<Record<string, string>>): Promise<void>;
  /** Switch `current` in one step, as the agent does. */
  flip(generation: number): Promise<void>;
  trust(bundle: IdentityMaterial["trustBundle"]): Promise<void>;
  /** Stage, trust and flip. */
  install(generation: number, material: IdentityMaterial): Promise<void>;
  /** As management-api sees it; undefined while it has never checked in. */
  seen(): Promise<Collector | undefined>;
}

export async function startWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const postgres = stack.use(await startTestPostgres());
  const nats = stack.use(await startTestNats());
  const caDatabase = stack.use(
    await postgres.createDatabase({ schema: "cert_authority", migrations: certAuthorityMigrations }),
  );
  const database = stack.use(
    await postgres.createDatabase({ schema: "monitoring_ingest", migrations: monitoringIngestMigrations }),
  );
  const certAuthority = stack.use(await startCertAuthority({ dir: dir.path, database: caDatabase, nats }));
  const ingest = stack.use(
    await createMonitoringIngestProcess({
      dir: dir.path,
      database,
      identityDir: join(certAuthority.identitiesDir, "monitoring-ingest"),
      certAuthorityAddress: certAuthority.address,
      nats,
    }),
  );
  await ingest.start();
  const optionsFor = async (caller: string, address: string, expectedServer: string) => ({
    address,
    expectedServer,
    identity: new IdentityHolder(await loadIdentityDir(join(certAuthority.identitiesDir, caller), new Date())),
    logger: createTestLogger().logger,
  });
  const end = (client: { stop(deadline: AbortSignal): Promise<void> }) => client.stop(AbortSignal.timeout(1_000));
  const asCertAuthority = [certAuthority.address, "/cp/cert-authority"] as const;
  const Authority = CertificateAuthorityServiceClient;
  const issuer = stack.adopt(createGrpcClient(Authority, await optionsFor("activation", ...asCertAuthority)), end);
  const collectors = stack.adopt(
    createGrpcClient(
      CollectorServiceClient,
      await optionsFor("management-api", ingest.address, "/cp/monitoring-ingest"),
    ),
    end,
  );
  const metrics = stack.adopt(
    createGrpcClient(MetricsServiceClient, await optionsFor("management-api", ingest.address, "/cp/monitoring-ingest")),
    end,
  );
  const ownMetrics = stack.adopt(
    createGrpcClient(
      OwnMetricsServiceClient,
      await optionsFor("management-api", ingest.address, "/cp/monitoring-ingest"),
    ),
    end,
  );
  const owned = stack.move();
  return {
    ingest,
    showOwnMetrics: async (request) => (await ownMetrics.call.showOwnMetrics(request)).metrics,
    showApps: async (request) => (await metrics.call.showApps(request)).apps,
    createFabric: async ({ sampleIntervalMs = 15_000 } = {}) => {
      const folder = await tempDir();
      const fabricId = randomUUID();
      const collector = await createCollectorProcess({
        stateDir: folder.path,
        ingestAddress: ingest.fabricAddress,
        env: { DRAWBRIDGE_SAMPLE_INTERVAL_MS: String(sampleIntervalMs) },
      });
      return createFabric({
        folder,
        collector,
        issue: async (kind) => {
          const keyPair = await generateKeyPair();
          const { certificate, trustBundle } = await issuer.call.issueFabricCertificate({
            requestId: randomUUID(),
            csrDer: Buffer.from(await createCsr(keyPair)),
            profile: kind === "agent" ? FabricProfile.FABRIC_PROFILE_AGENT : FabricProfile.FABRIC_PROFILE_COLLECTOR,
            org: "acme",
            fabricId,
            subjectId: kind === "agent" ? randomUUID() : "",
          });
          if (!certificate || !trustBundle) throw new Error("cert-authority issued nothing");
          return {
            certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
            privateKeyPem: keyPair.privateKeyPem(),
            trustBundle: createTrustBundle(trustBundle),
            serialNumber: certificate.serialNumber,
          };
        },
        seen: () =>
          collectors.call.getCollector({ fabricId }).then(
            (answer) => answer.collector,
            () => undefined, // not yet, or monitoring-ingest is being killed
          ),
      });
    },
    revoke: async (serialNumber) => {
      await issuer.call.revokeCertificates({
        target: { $case: "serialNumber", value: serialNumber },
        reason: "lost",
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function createFabric(made: {
  readonly folder: AsyncDisposable & { readonly path: string };
  readonly collector: CollectorProcess;
  readonly issue: (kind: "collector" | "agent") => ReturnType<Fabric["issue"]>;
  readonly seen: Fabric["seen"];
}): Fabric {
  const { folder, collector } = made;
  const monitoring = join(folder.path, "monitoring");
  const fabric: Fabric = {
    stateDir: folder.path,
    collector,
    seen: made.seen,
    issue: (kind = "collector") => made.issue(kind),
    stage: async (generation, files) => {
      const directory = join(monitoring, `gen-${generation}`);
      await mkdir(directory, { recursive: true });
      for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    },
    flip: async (generation) => {
      const temporary = join(monitoring, `.tmp-${randomUUID()}`);
      await symlink(`gen-${generation}`, temporary);
      await rename(temporary, join(monitoring, "current"));
    },
    trust: async (bundle) => {
      await mkdir(join(folder.path, "trust"), { recursive: true });
      const temporary = join(folder.path, "trust", `.tmp-${randomUUID()}`);
      await writeFile(temporary, trustBundleToJson(bundle));
      await rename(temporary, join(folder.path, "trust", "bundle.json"));
    },
    install: async (generation, material) => {
      await fabric.stage(generation, { "tls.key": material.privateKeyPem, "tls.crt": material.certificateChainPem });
      await fabric.trust(material.trustBundle);
      await fabric.flip(generation);
    },
    [Symbol.asyncDispose]: async () => {
      await collector[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  return fabric;
}
