import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectBus, createConsumer, type Bus } from "@drawbridge/bus";
import { Secret } from "@drawbridge/config";
import { ActivationServiceClient, type ActivateRequest } from "@drawbridge/contracts/activation/v1/activation_service";
import { ActivationTokenServiceClient } from "@drawbridge/contracts/activation/v1/activation_token_service";
import {
  RecoveryAdminServiceClient,
  RecoveryServiceClient,
} from "@drawbridge/contracts/activation/v1/recovery_service";
import type { EventEnvelope, EventType } from "@drawbridge/contracts";
import {
  cryptoRandom,
  startComponents,
  systemClock,
  uuidV7Ids,
  type Clock,
  type Component,
} from "@drawbridge/lifecycle";
import {
  createCsr,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  pinnedTlsOptions,
  type KeyPair,
} from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import { openStore, sql } from "@drawbridge/store";
import { startTelemetry } from "@drawbridge/telemetry";
import {
  certAuthorityMigrations,
  createRuntimeManagerProcess,
  createTestLogger,
  runtimeManagerMigrations,
  startCertAuthority,
  startTestNats,
  startTestPostgres,
  tempDir,
  type CertAuthorityProcess,
  type RuntimeManagerProcess,
  type TestDatabase,
  type TestLogger,
  type TestNats,
} from "@drawbridge/testkit";
import { configSchema, JoinStateKeys, type ActivationConfig } from "../src/config.ts";
import { createActivationService } from "../src/service.ts";

const migrations = fileURLToPath(new URL("../migrations", import.meta.url));
/** The same for every service that a test file starts, as replicas and restarts have it. */
export const joinStateKey = randomBytes(32);
const forever = new AbortController().signal;

/** Everything activation needs, real: PostgreSQL, NATS, cert-authority, runtime-manager. One per test file. */
export interface Environment extends AsyncDisposable {
  readonly nats: TestNats;
  readonly certAuthority: CertAuthorityProcess;
  /** Not started. It cannot reach cert-authority: what is revoked, activation revoked. */
  readonly runtimeManager: RuntimeManagerProcess;
  readonly bus: Bus;
  readonly database: TestDatabase;
  startService(options?: ServiceOptions): Promise<RunningService>;
  /** As cert-authority does by itself when a later certificate of the name is in use. */
  readonly supersede: (serialNumber: string) => Promise<void>;
  /** Put the record of an agent's recoveries back to the state after its activation, as a restored backup does. */
  restoreAgentRecord(agentId: string): Promise<void>;
}

export interface ServiceOptions {
  readonly config?: Partial<ActivationConfig>;
  readonly clock?: Clock;
  /** What agents reach the fabric listener through, by its port; answers the port that they dial. */
  readonly through?: (port: number) => Promise<number>;
}

export interface RunningService extends AsyncDisposable {
  readonly log: TestLogger;
  readonly fabricPort: number;
  readonly internalPort: number;
  readonly tokens: ReturnType<typeof tokenClient>["call"];
  /** As an agent calls it: one-way TLS. */
  readonly recovery: ReturnType<typeof recoveryClient>["call"];
  /** As management-api calls it. */
  readonly recoveryAdmin: ReturnType<typeof recoveryAdminClient>["call"];
  activate(
    request: ActivateRequest,
    signal?: AbortSignal,
  ): ReturnType<ReturnType<typeof activationClient>["call"]["activate"]>;
}

export async function startEnvironment(): Promise<Environment> {
  const stack = new AsyncDisposableStack();
  try {
    const dir = stack.use(await tempDir());
    const postgres = stack.use(await startTestPostgres());
    const nats = stack.use(await startTestNats());
    const database = stack.use(await postgres.createDatabase({ schema: "activation", migrations }));
    const caDatabase = stack.use(
      await postgres.createDatabase({ schema: "cert_authority", migrations: certAuthorityMigrations }),
    );
    const certAuthority = stack.use(await startCertAuthority({ dir: dir.path, database: caDatabase, nats }));
    const runtimeDatabase = stack.use(
      await postgres.createDatabase({ schema: "runtime_manager", migrations: runtimeManagerMigrations }),
    );
    const { identitiesDir } = certAuthority;
    const runtimeManager = stack.use(
      await createRuntimeManagerProcess({ dir: dir.path, database: runtimeDatabase, nats, identitiesDir }),
    );
    const log = createTestLogger();
    const bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger: log.logger });
    await bus.start(forever);
    stack.defer(() => bus.stop(AbortSignal.timeout(60_000)));
    return {
      nats,
      certAuthority,
      runtimeManager,
      bus,
      database,
      startService: (options = {}) => startService({ nats, database, certAuthority, runtimeManager }, options),
      supersede: async (serialNumber) => {
        const store = openStore({ url: caDatabase.url, schema: "cert_authority", logger: log.logger });
        await store.start(forever);
        try {
          await sql`INSERT INTO revocation (serial_number, spiffe_id, fabric_id, issuer_id, not_after, revoked_at, reason,
              revoked_by)
            SELECT serial_number, spiffe_id, fabric_id, issuer_id, not_after, now(), 'superseded', 'cert-authority'
            FROM certificate WHERE serial_number = ${serialNumber}`.execute(store.db);
        } finally {
          await store.stop(forever);
        }
      },
      restoreAgentRecord: async (agentId) => {
        const store = openStore({ url: database.url, schema: "activation", logger: log.logger });
        await store.start(forever);
        try {
          await sql`DELETE FROM recovery WHERE agent_id = ${agentId}`.execute(store.db);
          await sql`UPDATE recovery_state SET join_sequence = 1, join_nonce = enrolment.join_nonce
            FROM enrolment WHERE enrolment.agent_id = recovery_state.agent_id
            AND recovery_state.agent_id = ${agentId}`.execute(store.db);
        } finally {
          await store.stop(forever);
        }
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function startService(
  environment: {
    readonly nats: TestNats;
    readonly database: TestDatabase;
    readonly certAuthority: CertAuthorityProcess;
    readonly runtimeManager: RuntimeManagerProcess;
  },
  options: ServiceOptions,
): Promise<RunningService> {
  const { nats, database, certAuthority, runtimeManager } = environment;
  const log = createTestLogger();
  const anyPort = { host: "127.0.0.1", port: 0 };
  const identityDir = join(certAuthority.identitiesDir, "activation");
  const parsed = configSchema.omit({ DATABASE_URL_FILE: true, JOIN_STATE_KEY_FILE: true }).parse({
    IDENTITY_DIR: identityDir,
    CERT_AUTHORITY_ADDRESS: certAuthority.address,
    RUNTIME_MANAGER_ADDRESS: runtimeManager.address,
    NATS_URL: nats.url,
  });
  const config: ActivationConfig = {
    ...parsed,
    DATABASE_URL_FILE: new Secret(database.url),
    NATS_CREDENTIALS_FILE: new Secret(nats.credentials),
    JOIN_STATE_KEY_FILE: new JoinStateKeys([joinStateKey]),
    OPS_LISTEN: anyPort,
    FABRIC_LISTEN: anyPort,
    INTERNAL_LISTEN: anyPort,
    // Everybody calls from 127.0.0.1; the limits have a test of their own.
    ACTIVATIONS_PER_SECOND_PER_ADDRESS: 1_000,
    ACTIVATION_BURST_PER_ADDRESS: 1_000,
    ACTIVATIONS_PER_SECOND: 1_000,
    ...options.config,
  };
  const telemetry = startTelemetry({ service: "activation", replica: "activation-0", logger: log.logger });
  const service = createActivationService({
    config,
    logger: log.logger,
    telemetry,
    clock: options.clock ?? systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
  });
  await startComponents(service.components, forever);
  const { fabric, internal } = service.addresses();
  const dialled = options.through ? await options.through(fabric.port) : fabric.port;
  const managementApi = new IdentityHolder(
    await loadIdentityDir(join(certAuthority.identitiesDir, "management-api"), new Date()),
  );
  const tokens = tokenClient(`127.0.0.1:${internal.port}`, managementApi, log);
  const { tlsOptions } = await pinnedTlsOptions(
    { host: "127.0.0.1", port: dialled, pins: await pinsOf(tokens.call), expectedServer: "/cp/activation" },
    AbortSignal.timeout(60_000),
  );
  const agents = activationClient(`127.0.0.1:${dialled}`, tlsOptions, log);
  const recovery = recoveryClient(`127.0.0.1:${dialled}`, tlsOptions, log);
  const recoveryAdmin = recoveryAdminClient(`127.0.0.1:${internal.port}`, managementApi, log);
  return {
    log,
    fabricPort: fabric.port,
    internalPort: internal.port,
    tokens: tokens.call,
    recovery: recovery.call,
    recoveryAdmin: recoveryAdmin.call,
    activate: (request, signal) => agents.call.activate(request, { timeoutMs: 20_000, ...(signal ? { signal } : {}) }),
    [Symbol.asyncDispose]: async () => {
      await recovery.stop(forever);
      await recoveryAdmin.stop(forever);
      await agents.stop(forever);
      await tokens.stop(forever);
      await stopAll(service.components);
    },
  };
}

async function stopAll(components: readonly Component[]): Promise<void> {
  for (const component of components.toReversed()) await component.stop(AbortSignal.timeout(60_000));
}

function tokenClient(address: string, identity: IdentityHolder, log: TestLogger) {
  return createGrpcClient(ActivationTokenServiceClient, {
    address,
    identity,
    expectedServer: "/cp/activation",
    logger: log.logger,
  });
}

function activationClient(
  address: string,
  tlsOptions: Awaited<ReturnType<typeof pinnedTlsOptions>>["tlsOptions"],
  log: TestLogger,
) {
  return createGrpcClient(ActivationServiceClient, {
    address,
    identity: { tlsOptions },
    expectedServer: "/cp/activation",
    logger: log.logger,
  });
}

function recoveryClient(
  address: string,
  tlsOptions: Awaited<ReturnType<typeof pinnedTlsOptions>>["tlsOptions"],
  log: TestLogger,
) {
  return createGrpcClient(RecoveryServiceClient, {
    address,
    identity: { tlsOptions },
    expectedServer: "/cp/activation",
    logger: log.logger,
  });
}

function recoveryAdminClient(address: string, identity: IdentityHolder, log: TestLogger) {
  return createGrpcClient(RecoveryAdminServiceClient, {
    address,
    identity,
    expectedServer: "/cp/activation",
    logger: log.logger,
  });
}

/** The pins that a token of this service carries: what an agent starts from. */
async function pinsOf(tokens: ReturnType<typeof tokenClient>["call"]): Promise<readonly string[]> {
  const { secretToken } = await tokens.createActivationToken(aTokenRequest());
  return claimsOf(secretToken).pins;
}

export interface Claims {
  readonly v: number;
  readonly cp: string;
  readonly tid: string;
  readonly exp: number;
  readonly pins: readonly string[];
}

export function claimsOf(token: string): Claims {
  const [, claims = ""] = token.split(".");
  return JSON.parse(Buffer.from(claims, "base64url").toString("utf8")) as Claims; // our own token
}

export function aTokenRequest(
  change: {
    readonly fabricId?: string;
    readonly ttlSeconds?: number;
    readonly requestId?: string;
    readonly allowedNetworks?: string[];
    readonly requiresApproval?: boolean;
    readonly keySha256?: string;
  } = {},
) {
  return {
    requestId: change.requestId ?? crypto.randomUUID(),
    fabricId: change.fabricId ?? crypto.randomUUID(),
    fabricName: "edge-1",
    org: "acme",
    ttlSeconds: change.ttlSeconds ?? 0,
    createdBy: "alice",
    allowedNetworks: change.allowedNetworks ?? [],
    requiresApproval: change.requiresApproval ?? false,
    keySha256: change.keySha256 ?? "",
  };
}

/** What an agent with fresh keys sends. */
export async function anActivation(token: string): Promise<ActivateRequest> {
  const [tunnel, monitoring, recovery] = [await generateKeyPair(), await generateKeyPair(), await generateKeyPair()];
  return anActivationWith(token, { tunnel, monitoring, recovery });
}

export async function anActivationWith(
  token: string,
  { tunnel, monitoring, recovery }: Readonly<Record<"tunnel" | "monitoring" | "recovery", KeyPair>>,
): Promise<ActivateRequest> {
  return {
    token,
    csrDer: Buffer.from(await createCsr(tunnel)),
    monitoringCsrDer: Buffer.from(await createCsr(monitoring)),
    recoveryKeySpkiDer: Buffer.from(recovery.spkiDer),
    agentVersion: "0.1.0",
  };
}

export interface EventTap extends AsyncDisposable {
  readonly events: readonly EventEnvelope[];
  /** Resolves with the events that match, once there are `count`. */
  until(count: number, matches: (event: EventEnvelope) => boolean): Promise<readonly EventEnvelope[]>;
}

/** Everything that activation announces from the beginning of the stream. */
export async function tapEvents(bus: Bus): Promise<EventTap> {
  const events: EventEnvelope[] = [];
  const watchers = new Set<() => void>();
  const types: EventType[] = [
    "activation.token.created.v1",
    "activation.token.redeemed.v1",
    "activation.token.refused.v1",
    "activation.token.revoked.v1",
    "activation.recovery.completed.v1",
    "activation.recovery.refused.v1",
  ];
  const consumer = createConsumer({
    bus,
    stream: "ACTIVATION",
    durable: `tap-${randomBytes(4).toString("hex")}`,
    types,
    clock: systemClock,
    logger: createTestLogger().logger,
    handle: (event) => {
      events.push(event);
      for (const watcher of watchers) watcher();
      return Promise.resolve();
    },
  });
  await consumer.start(forever);
  return {
    events,
    until: (count, matches) =>
      new Promise((resolve) => {
        const check = (): void => {
          const found = events.filter(matches);
          if (found.length < count) return;
          watchers.delete(check);
          resolve(found);
        };
        watchers.add(check);
        check();
      }),
    [Symbol.asyncDispose]: () => consumer.stop(AbortSignal.timeout(60_000)),
  };
}
