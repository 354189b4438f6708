import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { ActivationServiceClient, type ActivateRequest } from "@drawbridge/contracts/activation/v1/activation_service";
import {
  clientTlsOptions,
  createCsr,
  generateKeyPair,
  parseTrustBundleJson,
  type TrustBundle,
  trustBundleToJson,
} from "@drawbridge/pki";
import { createGrpcClient } from "@drawbridge/rpc";
import {
  createTestLogger,
  freePort,
  programEnvironment,
  startTestNats,
  startTestPostgres,
  tempDir,
  untilReady,
} from "@drawbridge/testkit";
import { type ApiClient, createApiClient } from "./open-api-client.ts";
import { adminPassword } from "./start-api.ts";

const services = [
  "cert-authority",
  "activation",
  "runtime-manager",
  "config-resolver",
  "monitoring-ingest",
  "api-manager",
  "management-api",
] as const;
export type ServiceName = (typeof services)[number];

/** All services of the control plane as processes of their own, as an installation has them. */
export interface ControlPlane extends AsyncDisposable {
  readonly api: ApiClient;
  readonly adminToken: string;
  readonly folder: string;
  /** Redeem an activation token as an agent does that connects later. Answers its certificates' serial numbers. */
  activate(token: string, agent?: AgentKeys): Promise<{ readonly tunnel: string; readonly monitoring: string }>;
  /** Run `drawbridge` with the administrator's login. */
  cli(
    ...args: string[]
  ): Promise<{ readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }>;
  kill(name: ServiceName): Promise<void>;
  /** Ask it to stop, as an orchestrator does. Answers its exit code. */
  stop(name: ServiceName): Promise<number | null>;
  start(name: ServiceName): Promise<void>;
}

const home = (name: ServiceName): string => join(import.meta.dirname, "../../..", name);

export async function startControlPlane(): Promise<ControlPlane> {
  const cleanups: (() => PromiseLike<unknown>)[] = [];
  const dispose = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  };
  try {
    return { ...(await assemble(cleanups)), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function assemble(
  cleanups: (() => PromiseLike<unknown>)[],
): Promise<Omit<ControlPlane, typeof Symbol.asyncDispose>> {
  const folder = await tempDir();
  cleanups.push(() => folder[Symbol.asyncDispose]());
  const postgres = await startTestPostgres();
  cleanups.push(() => postgres[Symbol.asyncDispose]());
  const nats = await startTestNats();
  cleanups.push(() => nats[Symbol.asyncDispose]());
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(folder.path, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };

  const identities = join(folder.path, "identities");
  const blobs = join(folder.path, "blobs");
  await mkdir(blobs);
  const credentials = await file("nats", nats.credentials);
  const kek = await file("kek", randomBytes(32).toString("base64url"));
  const port = { internal: new Map<ServiceName, number>(), ops: new Map<ServiceName, number>() };
  const urls = new Map<ServiceName, string>();
  for (const name of services) {
    port.internal.set(name, await freePort());
    port.ops.set(name, await freePort());
    const schema = name.replaceAll("-", "_");
    const database = await postgres.createDatabase({ schema, migrations: join(home(name), "migrations") });
    cleanups.push(() => database[Symbol.asyncDispose]());
    urls.set(name, await file(`${name}.url`, database.url));
  }
  const [upload, rest, redeem] = [await freePort(), await freePort(), await freePort()];
  const at = (number: number | undefined): string => `127.0.0.1:${number}`;
  const internal = (name: ServiceName): string => at(port.internal.get(name));
  const common = (name: ServiceName): Record<string, string> => ({
    DRAWBRIDGE_DATABASE_URL_FILE: urls.get(name) ?? "",
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: credentials,
    DRAWBRIDGE_IDENTITY_DIR: join(identities, name),
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: internal("cert-authority"),
    DRAWBRIDGE_OPS_LISTEN: at(port.ops.get(name)),
  });
  const listeners = { DRAWBRIDGE_FABRIC_LISTEN: "127.0.0.1:0" };
  const env: Readonly<Record<ServiceName, Record<string, string>>> = {
    "cert-authority": {
      ...listeners,
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: internal("runtime-manager"),
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: kek,
    },
    "monitoring-ingest": { ...listeners, DRAWBRIDGE_DATA_DIR: join(folder.path, "monitoring") },
    activation: {
      DRAWBRIDGE_FABRIC_LISTEN: at(redeem),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: internal("runtime-manager"),
      DRAWBRIDGE_JOIN_STATE_KEY_FILE: kek,
    },
    "runtime-manager": { ...listeners, DRAWBRIDGE_API_MANAGER_ADDRESS: internal("api-manager") },
    "api-manager": {
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: internal("runtime-manager"),
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: kek,
    },
    "config-resolver": {
      ...listeners,
      DRAWBRIDGE_UPLOAD_LISTEN: at(upload),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: internal("runtime-manager"),
      DRAWBRIDGE_BLOB_DIR: blobs,
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: kek,
    },
    "management-api": {
      DRAWBRIDGE_LISTEN: at(rest),
      DRAWBRIDGE_ACTIVATION_ADDRESS: internal("activation"),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: internal("runtime-manager"),
      DRAWBRIDGE_CONFIG_RESOLVER_ADDRESS: internal("config-resolver"),
      DRAWBRIDGE_BUNDLE_UPLOAD_ADDRESS: at(upload),
      DRAWBRIDGE_MONITORING_INGEST_ADDRESS: internal("monitoring-ingest"),
      DRAWBRIDGE_API_MANAGER_ADDRESS: internal("api-manager"),
      DRAWBRIDGE_BOOTSTRAP_ADMIN_PASSWORD_FILE: await file("password", adminPassword),
    },
  };

  const running = new Map<ServiceName, ChildProcess>();
  let written = "";
  const run = (name: ServiceName, program: string, variables: Record<string, string>): ChildProcess => {
    const child = spawn(process.execPath, [join(home(name), "src", program)], {
      env: { ...programEnvironment(), ...variables },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => void (written += String(text)));
    return child;
  };

  async function launch(name: ServiceName): Promise<void> {
    const inbound = name === "management-api" ? {} : { DRAWBRIDGE_INTERNAL_LISTEN: internal(name) };
    const child = run(name, "main.ts", { ...common(name), ...inbound, ...env[name] });
    running.set(name, child);
    await untilReady({ url: `http://${at(port.ops.get(name))}/readyz`, child, output: () => written });
  }

  async function end(name: ServiceName, signal: NodeJS.Signals): Promise<number | null> {
    const child = running.get(name);
    running.delete(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const closed = once(child, "close");
    child.kill(signal);
    await closed;
    return child.exitCode;
  }
  const kill = async (name: ServiceName): Promise<void> => void (await end(name, "SIGKILL"));

  const bootstrap = run("cert-authority", "bootstrap.ts", {
    DRAWBRIDGE_DATABASE_URL_FILE: urls.get("cert-authority") ?? "",
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: kek,
    DRAWBRIDGE_IDENTITIES_DIR: identities,
  });
  const [exitCode] = (await once(bootstrap, "close")) as [number | null];
  if (exitCode !== 0) throw new Error(`bootstrap of cert-authority failed:\n${written}`);
  cleanups.push(() => Promise.all(services.map(kill)));
  for (const name of services) await launch(name);

  const trustBundle = parseTrustBundleJson(
    await readFile(join(identities, "management-api", "trust-bundle.json"), "utf8"),
  );
  const api = await createApiClient({ url: `https://${at(rest)}`, trustBundle });
  cleanups.push(() => api.close());
  const login = await api.call("POST", "/v1/sessions", { body: { username: "admin", password: adminPassword } });
  const context = {
    url: `https://${at(rest)}`,
    username: "admin",
    token: login.json.token,
    expiresAt: login.json.expiresAt,
    trustBundle: trustBundleToJson(trustBundle),
  };
  await mkdir(join(folder.path, "cli"));
  await file("cli/context.json", JSON.stringify(context));
  return {
    api,
    adminToken: login.json.token,
    folder: folder.path,
    cli: (...args) => runCli(join(folder.path, "cli"), args),
    activate: async (token, agent) =>
      redeemToken({ token, ...(agent ?? (await newAgentKeys())) }, { address: at(redeem), trustBundle }),
    kill,
    start: launch,
    stop: (name) => end(name, "SIGTERM"),
  };
}

const cliProgram = join(import.meta.dirname, "../../../../operator/cli/src/main.ts");

/** `drawbridge`, with the login in the folder. */
export async function runCli(
  directory: string,
  args: readonly string[],
): Promise<{ readonly exitCode: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [cliProgram, ...args], {
    env: { ...programEnvironment(), DRAWBRIDGE_CONFIG_DIR: directory },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => void (written.stdout += String(text)));
  child.stderr.on("data", (text) => void (written.stderr += String(text)));
  await once(child, "close");
  return { exitCode: child.exitCode, ...written };
}

/** What an agent redeems a token with. */
export type AgentKeys = Omit<ActivateRequest, "token">;

export async function newAgentKeys(): Promise<AgentKeys> {
  return {
    csrDer: Buffer.from(await createCsr(await generateKeyPair())),
    monitoringCsrDer: Buffer.from(await createCsr(await generateKeyPair())),
    recoveryKeySpkiDer: Buffer.from((await generateKeyPair()).spkiDer),
    agentVersion: "0.1.0",
  };
}

async function redeemToken(
  request: ActivateRequest,
  { address, trustBundle }: { readonly address: string; readonly trustBundle: TrustBundle },
): Promise<{ readonly tunnel: string; readonly monitoring: string }> {
  const client = createGrpcClient(ActivationServiceClient, {
    address,
    identity: { tlsOptions: clientTlsOptions({ trustBundle }, { expectedServer: "/cp/activation" }) },
    expectedServer: "/cp/activation",
    logger: createTestLogger().logger,
  });
  try {
    const answer = await client.call.activate(request);
    return {
      tunnel: answer.certificate?.serialNumber ?? "",
      monitoring: answer.monitoringCertificate?.serialNumber ?? "",
    };
  } finally {
    await client.stop(AbortSignal.timeout(5_000));
  }
}
