import {
  AuthorityServiceClient,
  type AuthorityServiceService,
  type RotationPhase,
} from "@drawbridge/contracts/certs/v1/authority_service";
import {
  CertificateAuthorityServiceClient,
  type TrustBundle,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { AgentServiceService, type TrustFollower } from "@drawbridge/contracts/runtime/v1/agent_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import {
  createCsr,
  createTrustBundle,
  generateKeyPair,
  IdentityHolder,
  loadIdentityDir,
  parseCertificate,
  spkiPin,
} from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, defineGrpcService, type GrpcClient } from "@drawbridge/rpc";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestNats, type TestNats, type TestPostgres } from "@drawbridge/testkit";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentId,
  agentRequest,
  bootstrap,
  createFiles,
  fabricId,
  migrations,
  startAuthority,
  type AuthorityClient,
  type Files,
  type RunningAuthority,
} from "./harness.ts";

export type Caller = GrpcClient<typeof AuthorityServiceService>["call"] & AuthorityClient;

/** Phases without a pause and roots without a delay: what is waited for are followers and certificates. */
export const drill = {
  DRAWBRIDGE_LEAF_TTL_MODE: "drill",
  DRAWBRIDGE_LEAF_TTL_SECONDS: "100",
  DRAWBRIDGE_ISSUING_CA_TTL_SECONDS: "600",
  DRAWBRIDGE_ROTATION_GRACE_SECONDS: "0",
  DRAWBRIDGE_ROOT_RETIREMENT_DELAY_SECONDS: "0",
};

/** runtime-manager's contract on a real port; a test decides what it says. */
export interface ScriptedRuntimeManager {
  followers: TrustFollower[];
  readonly address: string;
}

export interface RotationStack extends AsyncDisposable {
  readonly files: Files;
  readonly store: Store<CertAuthorityDb>;
  readonly runtimeManager: ScriptedRuntimeManager;
  readonly env: Record<string, string>;
  readonly natsUrl: string;
  readonly nats: TestNats;
  start(env?: Record<string, string>): Promise<RunningAuthority>;
  /** A service of the control plane. */
  callerOf(authority: Pick<RunningAuthority, "internalAddress" | "identityOf">, service: string): Promise<Caller>;
  /** All callers take over a new trust bundle. */
  trust(bundle: TrustBundle | undefined): void;
  waitForPhase(phase: string): Promise<void>;
  /** Everything issued under old roots looks expired, in the record. */
  endOldLeaves(): Promise<void>;
}

export async function createRotationStack(postgres: TestPostgres): Promise<RotationStack> {
  const stack = new AsyncDisposableStack();
  const nats = stack.use(await startTestNats()); // its own: the roots in use are remembered there
  const database = stack.use(await postgres.createDatabase({ schema: "cert_authority", migrations }));
  const backing = { databaseUrl: database.url, nats };
  const files = stack.use(await createFiles(backing));
  const { DRAWBRIDGE_ROTATION_GRACE_SECONDS: _, DRAWBRIDGE_ROOT_RETIREMENT_DELAY_SECONDS: __, ...lives } = drill;
  await bootstrap(files, { env: lives });
  const { logger } = createTestLogger();
  const store = openStore<CertAuthorityDb>({ url: database.url, schema: "cert_authority", logger });
  await store.start(AbortSignal.timeout(240_000));
  stack.defer(() => store.stop(AbortSignal.timeout(5_000)));
  const holders: IdentityHolder[] = [];
  const runtimeManager = stack.use(await startRuntimeManager(files, holders));
  const env = { ...drill, DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: runtimeManager.address };
  return {
    files,
    store,
    runtimeManager,
    env,
    natsUrl: nats.url,
    nats,
    start: async (more = {}) => stack.use(await startAuthority(files, backing, { ...env, ...more })),
    callerOf: async (authority, service) => {
      const holder = new IdentityHolder(await authority.identityOf(service));
      holders.push(holder);
      const peer = {
        address: authority.internalAddress,
        identity: holder,
        expectedServer: "/cp/cert-authority",
        logger,
      };
      const rotation = createGrpcClient(AuthorityServiceClient, peer);
      const certificates = createGrpcClient(CertificateAuthorityServiceClient, peer);
      stack.defer(() => rotation.stop(AbortSignal.timeout(1_000)));
      stack.defer(() => certificates.stop(AbortSignal.timeout(1_000)));
      return { ...rotation.call, ...certificates.call };
    },
    trust: (bundle) => {
      if (!bundle) throw new Error("an answer without a trust bundle");
      for (const holder of holders)
        holder.replace({ ...holder.get(), trustBundle: createTrustBundle(bundle) }, new Date());
    },
    waitForPhase: (phase) =>
      until(async () => {
        const row = await store.db.selectFrom("rotation").select("phase").executeTakeFirst();
        return row?.phase === phase;
      }, `phase ${phase}`),
    endOldLeaves: async () => {
      const old = store.db.selectFrom("ca_key").select("id").where("state", "=", "old");
      const past = new Date(Date.now() - 1_000);
      await store.db.updateTable("certificate").set({ not_after: past }).where("issuer_id", "in", old).execute();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function startRuntimeManager(files: Files, holders: IdentityHolder[]) {
  const script: { followers: TrustFollower[] } = { followers: [] };
  const identity = await loadIdentityDir(`${files.identities}/runtime-manager`, new Date());
  const holder = new IdentityHolder(identity);
  holders.push(holder);
  const refuse = (): Promise<never> => Promise.reject(new Error("not asked for"));
  const server = createGrpcServer({
    name: "internal",
    listen: { host: "127.0.0.1", port: 0 },
    identity: holder,
    clientCertificate: "required",
    logger: createTestLogger().logger,
    services: [
      defineGrpcService(AgentServiceService, {
        allow: {
          getAgentStanding: [],
          lockAgent: [],
          unlockAgent: [],
          listTrustFollowers: [{ service: "cert-authority" }],
        },
        handlers: {
          getAgentStanding: refuse,
          lockAgent: refuse,
          unlockAgent: refuse,
          listTrustFollowers: () => Promise.resolve({ followers: script.followers, nextPageToken: "" }),
        },
      }),
    ],
  });
  await server.start(AbortSignal.timeout(240_000));
  return Object.assign(script, {
    address: `127.0.0.1:${server.address().port}`,
    [Symbol.asyncDispose]: () => server.stop(AbortSignal.abort()),
  });
}

/** An agent that is connected. */
export function anAgent(overrides: Partial<TrustFollower>): TrustFollower {
  return {
    fabricId,
    fabricName: "berlin-1",
    agentId,
    trustBundleSequence: 1n,
    certificateSerial: "",
    collectorCertificateSerial: "",
    lastSeenAt: new Date(),
    live: true,
    ...overrides,
  };
}

/** A new certificate, and the pin of the root that it leads to. */
export async function issueAgent(activation: AuthorityClient) {
  const { certificate, trustBundle } = await activation.issueFabricCertificate(await agentRequest());
  return issued(certificate, trustBundle);
}

/** As a service renews its own. */
export async function issueService(client: AuthorityClient) {
  const keyPair = await generateKeyPair();
  const csrDer = Buffer.from(await createCsr(keyPair));
  const { certificate, trustBundle } = await client.issueServiceCertificate({ requestId: uuidV7Ids.next(), csrDer });
  return issued(certificate, trustBundle);
}

type Issued = Awaited<ReturnType<AuthorityClient["issueServiceCertificate"]>>;

function issued(certificate: Issued["certificate"], trustBundle: Issued["trustBundle"]) {
  const [issuingDer] = certificate?.chainDer ?? [];
  if (!certificate || !trustBundle || !issuingDer) throw new Error("an answer without certificate or trust bundle");
  const issuing = parseCertificate(issuingDer);
  const root = trustBundle.rootsDer.map((der) => parseCertificate(der)).find((der) => issuing.checkIssued(der));
  if (!root) throw new Error("the chain does not lead to a root of the bundle");
  return {
    serialNumber: certificate.serialNumber,
    rootPin: spkiPin(root.publicKey.export({ format: "der", type: "spki" })),
  };
}

export async function until(isTrue: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadline = AbortSignal.timeout(240_000);
  while (!(await isTrue())) {
    if (deadline.aborted) throw new Error(`waited in vain for ${what}`);
    await systemClock.sleep(50);
  }
}

export const startRequest = () => ({ requestId: uuidV7Ids.next(), requestedBy: "ada", reason: "yearly" });
export const advanceRequest = (fromPhase: RotationPhase, force = false) => ({ fromPhase, force, requestedBy: "ada" });
