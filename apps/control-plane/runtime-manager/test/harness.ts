import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { AuthorityServiceClient } from "@drawbridge/contracts/certs/v1/authority_service";
import {
  CertificateAuthorityServiceClient,
  FabricProfile,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { AgentServiceClient } from "@drawbridge/contracts/runtime/v1/agent_service";
import { ApiBindingServiceClient } from "@drawbridge/contracts/runtime/v1/api_binding_service";
import { ArtefactReferenceServiceClient } from "@drawbridge/contracts/runtime/v1/artefact_reference_service";
import {
  AppServiceClient,
  EntitlementServiceClient,
  type DeployAppRequest,
  type StreamLogsResponse,
} from "@drawbridge/contracts/runtime/v1/app_service";
import { FabricExistenceServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_existence_service";
import { FabricServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import {
  cryptoRandom,
  startComponents,
  systemClock,
  uuidV7Ids,
  type Component,
  type HealthReport,
} from "@drawbridge/lifecycle";
import {
  chainToPem,
  createCsr,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  validateIdentity,
  type IdentitySnapshot,
} from "@drawbridge/pki";
import { GatekeeperServiceClient } from "@drawbridge/contracts/runtime/v1/gatekeeper_service";
import { createGrpcClient, fromGrpcError, type GrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import { startTelemetry } from "@drawbridge/telemetry";
import {
  certAuthorityMigrations,
  createTestLogger,
  freePort,
  startCertAuthority,
  startTestNats,
  startTestPostgres,
  tempDir,
  type CertAuthorityProcess,
  type TestDatabase,
  type TestLogger,
  type TestNats,
  type TestPostgres,
} from "@drawbridge/testkit";
import { configSchema, type RuntimeManagerConfig } from "../src/config.ts";
import { createRuntimeManagerService } from "../src/service.ts";
import { openTunnel, type AgentOptions, type SimulatedAgent } from "./simulated-agent.ts";

const migrations = fileURLToPath(new URL("../migrations", import.meta.url));
const forever = new AbortController().signal;

type Ca = GrpcClient<(typeof CertificateAuthorityServiceClient)["service"]>["call"];

/** PostgreSQL, NATS and cert-authority, all real. One per test file. */
export interface World extends AsyncDisposable {
  readonly nats: TestNats;
  readonly database: TestDatabase;
  readonly certAuthority: CertAuthorityProcess;
  readonly secretFiles: { readonly databaseUrl: string; readonly natsCredentials: string };
  /** cert-authority as management-api sees it. */
  readonly authority: Ca;
  /** Its keys and their rotation, as management-api sees them. */
  readonly rotation: GrpcClient<(typeof AuthorityServiceClient)["service"]>["call"];
  /** What activation does with a token: a certificate for an agent of the fabric. */
  issueAgent(fabricId: string, agentId?: string): Promise<IdentitySnapshot>;
  /** As after a restore of the authority's database from a backup that is older than the certificate. */
  forgetCertificate(serialNumber: string): Promise<void>;
  startReplica(name?: string, config?: Partial<RuntimeManagerConfig>): Promise<Replica>;
}

export interface Replica extends AsyncDisposable {
  readonly log: TestLogger;
  readonly tunnelAddress: string;
  readonly apps: GrpcClient<(typeof AppServiceClient)["service"]>["call"];
  readonly fabrics: GrpcClient<(typeof FabricServiceClient)["service"]>["call"];
  readonly entitlements: GrpcClient<(typeof EntitlementServiceClient)["service"]>["call"];
  referencesAs(service: string): Promise<GrpcClient<(typeof ArtefactReferenceServiceClient)["service"]>["call"]>;
  existenceAs(service: string): Promise<GrpcClient<(typeof FabricExistenceServiceClient)["service"]>["call"]>;
  agentsAs(service: string): Promise<GrpcClient<(typeof AgentServiceClient)["service"]>["call"]>;
  bindingsAs(service: string): Promise<GrpcClient<(typeof ApiBindingServiceClient)["service"]>["call"]>;
  gatekeeperAs(service: string): Promise<GrpcClient<(typeof GatekeeperServiceClient)["service"]>["call"]>;
  readyz(): Promise<HealthReport>;
}

export interface WorldOptions {
  /** host:port where cert-authority asks for runtime-manager; default nobody. */
  readonly runtimeManagerAddress?: string;
  readonly nats?: "running" | "away";
  /** One that the test kills. */
  readonly postgres?: TestPostgres;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const stack = new AsyncDisposableStack();
  try {
    const dir = stack.use(await tempDir());
    const postgres = options.postgres ?? stack.use(await startTestPostgres());
    const nats = stack.use(await startTestNats());
    const database = stack.use(await postgres.createDatabase({ schema: "runtime_manager", migrations }));
    const caDatabase = stack.use(
      await postgres.createDatabase({ schema: "cert_authority", migrations: certAuthorityMigrations }),
    );
    const certAuthority = stack.use(
      await startCertAuthority({
        dir: dir.path,
        database: caDatabase,
        nats,
        ...(options.runtimeManagerAddress === undefined
          ? {}
          : { runtimeManagerAddress: options.runtimeManagerAddress }),
      }),
    );
    const secretFiles = {
      databaseUrl: join(dir.path, "database-url"),
      natsCredentials: join(dir.path, "nats-credentials"),
    };
    await writeFile(secretFiles.databaseUrl, database.url);
    await writeFile(secretFiles.natsCredentials, nats.credentials);
    const identities = certAuthority.identitiesDir;
    const activation = await client(
      CertificateAuthorityServiceClient,
      certAuthority.address,
      identities,
      "activation",
      "/cp/cert-authority",
    );
    stack.defer(() => activation.stop(forever));
    const authority = await client(
      CertificateAuthorityServiceClient,
      certAuthority.address,
      identities,
      "management-api",
      "/cp/cert-authority",
    );
    stack.defer(() => authority.stop(forever));
    const rotation = await client(
      AuthorityServiceClient,
      certAuthority.address,
      identities,
      "management-api",
      "/cp/cert-authority",
    );
    stack.defer(() => rotation.stop(forever));
    if (options.nats === "away") await nats.stop();
    return {
      nats,
      database,
      certAuthority,
      secretFiles,
      authority: authority.call,
      rotation: rotation.call,
      issueAgent: (fabricId, agentId = uuidV7Ids.next()) => issueAgent(activation.call, fabricId, agentId),
      forgetCertificate: async (serialNumber) => {
        const records = openStore<object>({
          url: caDatabase.url,
          schema: "cert_authority",
          logger: createTestLogger().logger,
        });
        await records.start(forever);
        await sql`DELETE FROM certificate WHERE serial_number = ${serialNumber}`.execute(records.db);
        await records.stop(forever);
      },
      startReplica: (name, config) =>
        startReplica({ nats, certAuthority, secretFiles }, name ?? "replica-a", config ?? {}),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function issueAgent(ca: Ca, fabricId: string, agentId: string): Promise<IdentitySnapshot> {
  const keyPair = await generateKeyPair();
  const { certificate, trustBundle } = await ca.issueFabricCertificate({
    requestId: randomUUID(),
    csrDer: Buffer.from(await createCsr(keyPair)),
    profile: FabricProfile.FABRIC_PROFILE_AGENT,
    org: "acme",
    fabricId,
    subjectId: agentId,
  });
  if (!certificate || !trustBundle) throw new Error("cert-authority issued nothing");
  return validateIdentity(
    {
      certificateChainPem: chainToPem([certificate.certificateDer, ...certificate.chainDer]),
      privateKeyPem: keyPair.privateKeyPem(),
      trustBundle: createTrustBundle(trustBundle),
    },
    new Date(),
  );
}

async function startReplica(
  world: Pick<World, "nats" | "certAuthority" | "secretFiles">,
  replica: string,
  change: Partial<RuntimeManagerConfig>,
): Promise<Replica> {
  const { nats, certAuthority } = world;
  const log = createTestLogger();
  const anyPort = { host: "127.0.0.1", port: 0 };
  const opsPort = await freePort();
  const parsed = configSchema.parse({
    IDENTITY_DIR: join(certAuthority.identitiesDir, "runtime-manager"),
    CERT_AUTHORITY_ADDRESS: certAuthority.address,
    NATS_URL: nats.url,
    DATABASE_URL_FILE: world.secretFiles.databaseUrl,
    NATS_CREDENTIALS_FILE: world.secretFiles.natsCredentials,
  });
  const service = createRuntimeManagerService({
    config: {
      ...parsed,
      REPLICA: replica,
      OPS_LISTEN: { host: "127.0.0.1", port: opsPort },
      FABRIC_LISTEN: anyPort,
      INTERNAL_LISTEN: anyPort,
      ...change,
    },
    logger: log.logger,
    telemetry: startTelemetry({ service: "runtime-manager", replica, logger: log.logger }),
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
  });
  await startComponents(service.components, forever);
  const { fabric, internal } = service.addresses();
  const address = `127.0.0.1:${internal.port}`;
  const identities = certAuthority.identitiesDir;
  const apps = await client(AppServiceClient, address, identities, "management-api", "/cp/runtime-manager");
  const fabrics = await client(FabricServiceClient, address, identities, "management-api", "/cp/runtime-manager");
  const entitlements = await client(
    EntitlementServiceClient,
    address,
    identities,
    "config-resolver",
    "/cp/runtime-manager",
  );
  const peers: Pick<Component, "stop">[] = [apps, fabrics, entitlements];
  let isStopped = false;
  return {
    log,
    tunnelAddress: `127.0.0.1:${fabric.port}`,
    apps: apps.call,
    fabrics: fabrics.call,
    entitlements: entitlements.call,
    referencesAs: async (caller) => {
      const peer = await client(ArtefactReferenceServiceClient, address, identities, caller, "/cp/runtime-manager");
      peers.push(peer);
      return peer.call;
    },
    existenceAs: async (caller) => {
      const peer = await client(FabricExistenceServiceClient, address, identities, caller, "/cp/runtime-manager");
      peers.push(peer);
      return peer.call;
    },
    agentsAs: async (caller) => {
      const peer = await client(AgentServiceClient, address, identities, caller, "/cp/runtime-manager");
      peers.push(peer);
      return peer.call;
    },
    bindingsAs: async (caller) => {
      const peer = await client(ApiBindingServiceClient, address, identities, caller, "/cp/runtime-manager");
      peers.push(peer);
      return peer.call;
    },
    gatekeeperAs: async (caller) => {
      const peer = await client(GatekeeperServiceClient, address, identities, caller, "/cp/runtime-manager");
      peers.push(peer);
      return peer.call;
    },
    readyz: async () => {
      const response = await fetch(`http://127.0.0.1:${opsPort}/readyz`);
      return (await response.json()) as Awaited<ReturnType<Replica["readyz"]>>; // our own ops server
    },
    [Symbol.asyncDispose]: async () => {
      if (isStopped) return;
      isStopped = true;
      for (const peer of peers) await peer.stop(forever);
      for (const component of service.components.toReversed()) await component.stop(AbortSignal.timeout(10_000));
    },
  };
}

async function client<D extends Parameters<typeof createGrpcClient>[0]["service"]>(
  ctor: { readonly service: D; readonly serviceName: string },
  address: string,
  identitiesDir: string,
  caller: string,
  expectedServer: string,
): Promise<GrpcClient<D>> {
  const identity = new IdentityHolder(await loadIdentityDir(join(identitiesDir, caller), new Date()));
  const made = createGrpcClient<D>(ctor, { address, identity, expectedServer, logger: createTestLogger().logger });
  await made.start(forever);
  return made;
}

export interface TestFabric {
  readonly fabricId: string;
  readonly name: string;
  readonly identity: IdentitySnapshot;
  connect(replica: Replica, options: Pick<AgentOptions, "epoch"> & Partial<AgentOptions>): Promise<SimulatedAgent>;
}

/** A fabric with an agent that was activated and has not connected yet. */
export async function aFabric(world: World, replica: Replica): Promise<TestFabric> {
  const name = `fabric-${randomUUID().slice(0, 8)}`;
  const { fabric } = await replica.fabrics.createFabric({
    org: "acme",
    name,
    region: "",
    environments: ["prod", "dev"],
  });
  if (!fabric) throw new Error("no fabric was created");
  const identity = await world.issueAgent(fabric.fabricId);
  return {
    fabricId: fabric.fabricId,
    name,
    identity,
    connect: (at, options) => openTunnel({ address: at.tunnelAddress, identity, ...options }),
  };
}

const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;

/** A deploy of version `letter`: same letter, same bundle. */
export function aDeploy(
  fabric: { readonly name: string },
  name: string,
  change: Partial<DeployAppRequest> & { readonly letter?: string } = {},
): DeployAppRequest {
  const { letter = "a", ...rest } = change;
  return {
    requestId: randomUUID(),
    app: { org: "acme", environment: "prod", name },
    fabric: fabric.name,
    bundle: { digest: digest(letter), sizeBytes: 1_000n, path: `/v1/bundles/${digest(letter)}` },
    manifestJson: JSON.stringify({ name, version: `1.0.${letter}` }),
    version: `1.0.${letter}`,
    configuration: undefined,
    replicas: undefined,
    publicPort: undefined,
    routes: undefined,
    strategy: undefined,
    requestedBy: "alice",
    ...rest,
  };
}

/** Look again until it is so; the test's own time limit ends what never becomes so. */
export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await pause(20);
  }
}

export const addressOf = (name: string) => ({ org: "acme", environment: "prod", name });
export const aRequest = (name: string) => ({ requestId: randomUUID(), app: addressOf(name), requestedBy: "alice" });

export const aLine = (line: string) => ({ replicaId: "r-1", stream: "stdout", line, at: undefined });

/** The lines until the stream ends. Rejects with the error that the operator would see. */
export async function readLogs(
  at: Replica,
  name: string,
  options: { readonly follow?: boolean; readonly signal?: AbortSignal } = {},
): Promise<readonly string[]> {
  const { follow = false, signal } = options;
  const request = { app: addressOf(name), replicaId: "", tailLines: 100, follow };
  const stream: AsyncIterable<StreamLogsResponse> = at.apps.streamLogs(request, signal ? { signal } : {});
  const lines: string[] = [];
  try {
    for await (const { line } of stream) lines.push(line);
  } catch (error) {
    throw fromGrpcError(error, "runtime-manager");
  }
  return lines;
}

/** The code of one of our errors. */
export function codeOf(error: unknown): string {
  return isDrawbridgeError(error) ? error.code : "";
}
