import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connectBus } from "@drawbridge/bus";
import { loadConfig } from "@drawbridge/config";
import type { EventEnvelope } from "@drawbridge/contracts";
import { ActivationTokenRefused } from "@drawbridge/contracts/events/v1/events";
import {
  type Clock,
  type Component,
  cryptoRandom,
  startComponents,
  systemClock,
  uuidV7Ids,
} from "@drawbridge/lifecycle";
import { IdentityHolder, saveIdentityDir } from "@drawbridge/pki";
import { createGrpcServer, createHttpServer, type GrpcServer, type HttpServer } from "@drawbridge/rpc";
import { startTelemetry } from "@drawbridge/telemetry";
import {
  createTestCa,
  createTestLogger,
  freePort,
  startTestNats,
  startTestPostgres,
  type TestCa,
  type TestDatabase,
  type TestLogger,
  type TestNats,
  tempDir,
} from "@drawbridge/testkit";
import { configSchema } from "../../src/config.ts";
import { createManagementApiService } from "../../src/service.ts";
import { type ApiClient, createApiClient } from "./open-api-client.ts";
import { standInActivation } from "./stand-in-activation.ts";
import { type StandInAnalytics, standInAnalyticsIngest } from "./stand-in-analytics-ingest.ts";
import { type StandInCertAuthority, standInCertAuthority } from "./stand-in-cert-authority.ts";
import { type StandInConfigResolver, standInConfigResolver } from "./stand-in-config-resolver.ts";
import { standInMonitoringIngest } from "./stand-in-monitoring-ingest.ts";
import { type StandInRecovery, standInRecovery } from "./stand-in-recovery.ts";
import { type StandInRuntimeManager, standInRuntimeManager } from "./stand-in-runtime-manager.ts";

export const adminPassword = "correct horse battery staple";

/** The service on real PostgreSQL, NATS and TLS, its peers as stand-ins on real ports. */
export interface TestApi extends AsyncDisposable {
  readonly api: ApiClient;
  readonly url: string;
  readonly adminToken: string;
  readonly database: TestDatabase;
  readonly nats: TestNats;
  readonly ca: TestCa;
  readonly logs: TestLogger;
  readonly runtimeManager: StandInRuntimeManager;
  readonly configResolver: StandInConfigResolver;
  readonly certAuthority: StandInCertAuthority;
  readonly recovery: StandInRecovery;
  readonly collectors: ReturnType<typeof standInMonitoringIngest>["collectors"];
  readonly metrics: ReturnType<typeof standInMonitoringIngest>["metrics"];
  readonly analytics: StandInAnalytics;
  /** Where a peer listens. */
  addressOf(name: PeerName): string;
  /** Stop and start the process of a peer. */
  stopPeer(name: PeerName): Promise<void>;
  /** Peers that are ready and work with less. */
  readonly degradedPeers: Set<PeerName>;
  startPeer(name: PeerName): Promise<void>;
  /** Announce an event as another service would. */
  publish(event: RefusedEvent): Promise<void>;
  /** One more replica on the same database. */
  startReplica(name: string): Promise<{ readonly url: string; readonly api: ApiClient }>;
  login(username: string, password: string): Promise<string>;
  /** A user with these roles, logged in. */
  createUser(username: string, bindings: readonly { role: string; environment: string }[]): Promise<string>;
}

export type RefusedEvent = EventEnvelope<"activation.token.refused.v1">;
const peers = [
  "runtime-manager",
  "activation",
  "config-resolver",
  "cert-authority",
  "monitoring-ingest",
  "analytics-ingest",
] as const;
export type PeerName = (typeof peers)[number];

export async function startApi(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly noPassword?: true;
    readonly withoutAnalytics?: true;
    readonly clock?: Clock;
  } = {},
): Promise<TestApi> {
  const cleanups: (() => PromiseLike<unknown>)[] = [];
  try {
    return await assemble(options, cleanups);
  } catch (error) {
    for (const cleanup of cleanups.toReversed()) await cleanup();
    throw error;
  }
}

async function assemble(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly noPassword?: true;
    readonly withoutAnalytics?: true;
    readonly clock?: Clock;
  },
  cleanups: (() => PromiseLike<unknown>)[],
): Promise<TestApi> {
  const postgres = await startTestPostgres();
  cleanups.push(() => postgres[Symbol.asyncDispose]());
  const database = await postgres.createDatabase({
    schema: "management_api",
    migrations: join(import.meta.dirname, "../../migrations"),
  });
  cleanups.push(() => database[Symbol.asyncDispose]());
  const nats = await startTestNats();
  cleanups.push(() => nats[Symbol.asyncDispose]());
  const folder = await tempDir();
  cleanups.push(() => folder[Symbol.asyncDispose]());
  const ca = await createTestCa();
  const logs = createTestLogger();

  const file = async (name: string, content: string): Promise<string> => {
    const path = join(folder.path, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const identityDir = join(folder.path, "identity");
  await mkdir(identityDir);
  await saveIdentityDir(identityDir, await ca.issueService("management-api"), new Date());

  const runtimeManager = standInRuntimeManager();
  const configResolver = standInConfigResolver();
  const activation = standInActivation();
  const recovery = standInRecovery();
  const certAuthority = standInCertAuthority();
  const monitoringIngest = standInMonitoringIngest();
  const analyticsIngest = standInAnalyticsIngest();
  const ports = {
    "runtime-manager": await freePort(),
    activation: await freePort(),
    "config-resolver": await freePort(),
    "cert-authority": await freePort(),
    "monitoring-ingest": await freePort(),
    "analytics-ingest": await freePort(),
    upload: await freePort(),
  };
  const holders = {
    "runtime-manager": new IdentityHolder(await ca.issueService("runtime-manager")),
    activation: new IdentityHolder(await ca.issueService("activation")),
    "config-resolver": new IdentityHolder(await ca.issueService("config-resolver")),
    "cert-authority": new IdentityHolder(await ca.issueService("cert-authority")),
    "monitoring-ingest": new IdentityHolder(await ca.issueService("monitoring-ingest")),
    "analytics-ingest": new IdentityHolder(await ca.issueService("analytics-ingest")),
  };
  const services = {
    "runtime-manager": runtimeManager.services,
    activation: [activation, recovery.service],
    "config-resolver": [configResolver.service],
    "cert-authority": certAuthority.services,
    "monitoring-ingest": monitoringIngest.services,
    "analytics-ingest": [analyticsIngest.service],
  };
  const running = new Map<PeerName, readonly (GrpcServer | HttpServer)[]>();

  const degradedPeers = new Set<PeerName>();

  async function startPeer(name: PeerName): Promise<void> {
    const health = {
      register: () => undefined,
      beginShutdown: () => undefined,
      report: () => ({ ready: true, checks: {}, ...(degradedPeers.has(name) && { degraded: ["bus"] }) }),
    };
    const common = { identity: holders[name], clientCertificate: "required", logger: logs.logger } as const;
    const grpc = createGrpcServer({
      name,
      listen: { host: "127.0.0.1", port: ports[name] },
      services: services[name],
      health,
      maxMessageBytes: 4 * 1024 * 1024,
      ...common,
    });
    const http = createHttpServer({
      name: "upload",
      listen: { host: "127.0.0.1", port: ports.upload },
      allow: [{ service: "management-api" }],
      register: configResolver.register,
      requestTimeoutMs: 0,
      ...common,
    });
    const servers = name === "config-resolver" ? [grpc, http] : [grpc];
    for (const server of servers) await server.start(new AbortController().signal);
    running.set(name, servers);
  }

  async function stopPeer(name: PeerName): Promise<void> {
    for (const server of running.get(name) ?? []) await server.stop(AbortSignal.abort());
    running.delete(name);
  }

  for (const name of peers) await startPeer(name);
  cleanups.push(async () => {
    for (const name of peers) await stopPeer(name);
  });

  const env = {
    DRAWBRIDGE_DATABASE_URL_FILE: await file("database-url", database.url),
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: await file("nats", nats.credentials),
    DRAWBRIDGE_IDENTITY_DIR: identityDir,
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: `127.0.0.1:${ports["cert-authority"]}`,
    DRAWBRIDGE_MONITORING_INGEST_ADDRESS: `127.0.0.1:${ports["monitoring-ingest"]}`,
    ...(options.withoutAnalytics
      ? {}
      : { DRAWBRIDGE_ANALYTICS_INGEST_ADDRESS: `127.0.0.1:${ports["analytics-ingest"]}` }),
    DRAWBRIDGE_LISTEN: "127.0.0.1:0",
    DRAWBRIDGE_OPS_LISTEN: "127.0.0.1:0",
    DRAWBRIDGE_ACTIVATION_ADDRESS: `127.0.0.1:${ports.activation}`,
    DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: `127.0.0.1:${ports["runtime-manager"]}`,
    DRAWBRIDGE_CONFIG_RESOLVER_ADDRESS: `127.0.0.1:${ports["config-resolver"]}`,
    DRAWBRIDGE_BUNDLE_UPLOAD_ADDRESS: `127.0.0.1:${ports.upload}`,
    ...(options.noPassword ? {} : { DRAWBRIDGE_BOOTSTRAP_ADMIN_PASSWORD_FILE: await file("password", adminPassword) }),
    ...options.env,
  };

  async function startReplica(name: string): Promise<{ readonly url: string; readonly api: ApiClient }> {
    const config = loadConfig({ schema: configSchema, env: { ...env, DRAWBRIDGE_REPLICA: name } });
    const telemetry = startTelemetry({ service: "management-api", replica: name, logger: logs.logger });
    const service = createManagementApiService({
      config,
      logger: logs.logger,
      telemetry,
      clock: options.clock ?? systemClock,
      random: cryptoRandom,
      ids: uuidV7Ids,
      passwordCost: { logN: 10, r: 8, p: 1 },
    });
    await startComponents(service.components, new AbortController().signal);
    cleanups.push(() => stopAll(service.components));
    const url = `https://127.0.0.1:${service.address().port}`;
    const api = await createApiClient({ url, trustBundle: ca.trustBundle });
    cleanups.push(() => api.close());
    return { url, api };
  }

  async function publish(event: RefusedEvent): Promise<void> {
    const bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger: logs.logger });
    await bus.start(new AbortController().signal);
    try {
      const payloadJson = JSON.stringify(ActivationTokenRefused.toJSON(event.payload));
      await bus.publishEvent({ ...event, payloadJson });
    } finally {
      await bus.stop(AbortSignal.timeout(5_000));
    }
  }

  const { url, api } = await startReplica("management-api-0");
  const login = async (username: string, password: string): Promise<string> => {
    const answer = await api.call("POST", "/v1/sessions", { body: { username, password } });
    if (answer.status !== 201) throw new Error(`login of ${username}: ${answer.status} ${answer.json.code}`);
    return String(answer.json.token);
  };
  const adminToken = await login("admin", adminPassword);
  return {
    api,
    url,
    adminToken,
    database,
    nats,
    ca,
    logs,
    runtimeManager,
    configResolver,
    certAuthority,
    recovery,
    collectors: monitoringIngest.collectors,
    metrics: monitoringIngest.metrics,
    analytics: analyticsIngest.state,
    addressOf: (name) => `127.0.0.1:${ports[name]}`,
    startPeer,
    stopPeer,
    degradedPeers,
    startReplica,
    publish,
    login,
    createUser: async (username, bindings) => {
      const password = `password of ${username}`;
      const answer = await api.call("POST", "/v1/users", { token: adminToken, body: { username, password, bindings } });
      if (answer.status !== 201) throw new Error(`user ${username}: ${answer.status} ${answer.json.code}`);
      return login(username, password);
    },
    [Symbol.asyncDispose]: async () => {
      for (const cleanup of cleanups.toReversed()) await cleanup();
    },
  };
}

async function stopAll(components: readonly Component[]): Promise<void> {
  for (const component of components.toReversed()) await component.stop(AbortSignal.timeout(5_000));
}
