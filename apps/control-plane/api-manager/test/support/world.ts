import { randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ApiServiceClient, type ApiKey } from "@drawbridge/contracts/apis/v1/api_service";
import { ClientServiceClient } from "@drawbridge/contracts/apis/v1/client_service";
import { ConfigurationServiceClient } from "@drawbridge/contracts/apis/v1/configuration_service";
import { ContractServiceClient } from "@drawbridge/contracts/apis/v1/contract_service";
import { PolicyServiceClient } from "@drawbridge/contracts/apis/v1/policy_service";
import { RevocationServiceService } from "@drawbridge/contracts/certs/v1/revocation_service";
import { ApiBindingServiceService, type ApiBinding } from "@drawbridge/contracts/runtime/v1/api_binding_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { cryptoRandom, startComponents, systemClock, uuidV7Ids, type Component } from "@drawbridge/lifecycle";
import { IdentityHolder, saveIdentityDir } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, defineGrpcService, type GrpcClient } from "@drawbridge/rpc";
import { openStore, type Store } from "@drawbridge/store";
import { startTelemetry } from "@drawbridge/telemetry";
import {
  createTestCa,
  createTestLogger,
  freePort,
  startTestNats,
  startTestPostgres,
  tempDir,
  type TestCa,
  type TestNats,
} from "@drawbridge/testkit";
import { configSchema } from "../../src/config.ts";
import { createApiManagerService } from "../../src/service.ts";
import type { ApiManagerDatabase } from "../../src/store/database.ts";

const migrations = fileURLToPath(new URL("../../migrations", import.meta.url));
/** As runtime-manager has it: room for 4 MiB of objects. */
const maxMessageBytes = 5 * 1024 * 1024;
const forever = new AbortController().signal;
export const org = "acme";

/** What runtime-manager says of bindings, as the test has it. */
export interface Bindings {
  readonly ofFabric: Map<string, ApiBinding[]>;
  /** Questions that were asked, by fabric. */
  readonly questions: string[];
}

export interface World extends AsyncDisposable {
  readonly ca: TestCa;
  readonly nats: TestNats;
  readonly bindings: Bindings;
  /** The service's own database, to look at what is stored. */
  readonly store: Store<ApiManagerDatabase>;
  /** File of its key encryption keys, read at a start. */
  readonly kekFile: string;
  start(options?: { readonly reconcileSeconds?: number }): Promise<Replica>;
}

export interface Replica extends AsyncDisposable {
  readonly apis: Client<typeof ApiServiceClient>;
  readonly policies: Client<typeof PolicyServiceClient>;
  readonly clients: Client<typeof ClientServiceClient>;
  readonly contracts: Client<typeof ContractServiceClient>;
  readonly configuration: Client<typeof ConfigurationServiceClient>;
  as<D extends Methods>(service: Service<D>, caller: string): Promise<GrpcClient<D>["call"]>;
  output(): string;
}

interface Service<D extends Methods> {
  readonly service: D;
  readonly serviceName: string;
}
type Methods = Parameters<typeof createGrpcClient>[0]["service"];
type Client<C extends { readonly service: Methods }> = GrpcClient<C["service"]>["call"];

/** PostgreSQL, NATS and TLS, all real; runtime-manager and cert-authority answer on real ports as the test says. */
export async function startWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const postgres = stack.use(await startTestPostgres());
  const database = stack.use(await postgres.createDatabase({ schema: "api_manager", migrations }));
  const nats = stack.use(await startTestNats());
  const ca = await createTestCa();
  const bindings: Bindings = { ofFabric: new Map(), questions: [] };
  const peers = stack.use(await startPeers(ca, bindings));
  const identityDir = join(folder.path, "identity");
  await saveIdentityDir(identityDir, await ca.issueService("api-manager"), new Date());
  const secret = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder.path, name), content, { mode: 0o600 });
    return join(folder.path, name);
  };
  const settings = {
    IDENTITY_DIR: identityDir,
    CERT_AUTHORITY_ADDRESS: peers.certAuthority,
    RUNTIME_MANAGER_ADDRESS: peers.runtimeManager,
    NATS_URL: nats.url,
    NATS_CREDENTIALS_FILE: await secret("nats", nats.credentials),
    DATABASE_URL_FILE: await secret("database-url", database.url),
    KEY_ENCRYPTION_KEY_FILE: await secret("kek", randomBytes(32).toString("base64url")),
  };
  const { logger } = createTestLogger();
  const store = openStore<ApiManagerDatabase>({ url: database.url, schema: "api_manager", logger });
  await store.start(forever);
  stack.defer(() => store.stop(forever));
  const owned = stack.move();
  return {
    ca,
    nats,
    bindings,
    store,
    kekFile: settings.KEY_ENCRYPTION_KEY_FILE,
    start: (options) => startReplica(ca, settings, options?.reconcileSeconds ?? 3_600),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startReplica(
  ca: TestCa,
  settings: Readonly<Record<string, string>>,
  reconcileSeconds: number,
): Promise<Replica> {
  const log = createTestLogger();
  const config = {
    ...configSchema.parse(settings),
    REPLICA: `replica-${randomUUID()}`,
    OPS_LISTEN: { host: "127.0.0.1", port: await freePort() },
    INTERNAL_LISTEN: { host: "127.0.0.1", port: 0 },
    RECONCILE_SECONDS: reconcileSeconds,
  };
  const { logger } = log;
  const service = createApiManagerService({
    config,
    logger,
    telemetry: startTelemetry({ service: "api-manager", replica: config.REPLICA, logger }),
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
  });
  await startComponents(service.components, forever);
  const address = `127.0.0.1:${service.address().port}`;
  const peers: Pick<Component, "stop">[] = [];
  const as = async <D extends Methods>(client: Service<D>, caller: string): Promise<GrpcClient<D>["call"]> => {
    const identity = new IdentityHolder(await ca.issueService(caller));
    const peer = createGrpcClient<D>(client, {
      address,
      identity,
      expectedServer: "/cp/api-manager",
      logger,
      maxMessageBytes,
    });
    await peer.start(forever);
    peers.push(peer);
    return peer.call;
  };
  return {
    apis: await as(ApiServiceClient, "management-api"),
    policies: await as(PolicyServiceClient, "management-api"),
    clients: await as(ClientServiceClient, "management-api"),
    contracts: await as(ContractServiceClient, "management-api"),
    configuration: await as(ConfigurationServiceClient, "runtime-manager"),
    as,
    output: () => JSON.stringify(log.records),
    [Symbol.asyncDispose]: async () => {
      const deadline = AbortSignal.timeout(10_000);
      for (const peer of peers) await peer.stop(deadline);
      for (const component of service.components.toReversed()) await component.stop(deadline);
    },
  };
}

async function startPeers(ca: TestCa, bindings: Bindings) {
  const { logger } = createTestLogger();
  const apiManager = [{ service: "api-manager" }] as const;
  const answers = defineGrpcService(ApiBindingServiceService, {
    allow: { listApiBindings: apiManager, listBoundFabrics: apiManager },
    handlers: {
      listApiBindings: async ({ fabricId }) => {
        bindings.questions.push(fabricId);
        const found = bindings.ofFabric.get(fabricId);
        if (found) return { organisation: org, generation: 1n, bindings: found };
        throw new DrawbridgeError({ kind: "not_found", code: "FABRIC_NOT_FOUND", message: "there is no such fabric" });
      },
      listBoundFabrics: async () => ({ fabricIds: [...bindings.ofFabric.keys()].toSorted(), nextPageToken: "" }),
    },
  });
  const revocations = defineGrpcService(RevocationServiceService, {
    allow: { listRevocations: apiManager },
    handlers: {
      listRevocations: async () => ({ revocations: [], nextPosition: 0n, more: false, listId: "list-1" }),
    },
  });
  const start = async (name: string, service: typeof answers) => {
    const server = createGrpcServer({
      name,
      listen: { host: "127.0.0.1", port: 0 },
      identity: new IdentityHolder(await ca.issueService(name)),
      clientCertificate: "required",
      services: [service],
      logger,
    });
    await server.start(forever);
    return { address: `127.0.0.1:${server.address().port}`, stop: () => server.stop(AbortSignal.timeout(1_000)) };
  };
  const runtimeManager = await start("runtime-manager", answers);
  const certAuthority = await start("cert-authority", revocations);
  return {
    runtimeManager: runtimeManager.address,
    certAuthority: certAuthority.address,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([runtimeManager.stop(), certAuthority.stop()]);
    },
  };
}

/** A request_id and who asks, for a write. */
export function asked(): { readonly requestId: string; readonly org: string; readonly requestedBy: string } {
  return { requestId: randomUUID(), org, requestedBy: "alice" };
}

export function aKey(name: string, overrides: Partial<ApiKey> = {}): ApiKey {
  return { environment: "production", name, version: "v1", ...overrides };
}

export function aBinding(api: ApiKey, overrides: Partial<ApiBinding> = {}): ApiBinding {
  return {
    appId: randomUUID(),
    appName: "orders-app",
    environment: api.environment,
    apiName: api.name,
    apiVersion: api.version,
    basePath: "/",
    resources: [],
    ...overrides,
  };
}
