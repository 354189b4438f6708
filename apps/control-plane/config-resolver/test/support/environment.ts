import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { saveIdentityDir, type IdentitySnapshot } from "@drawbridge/pki";
import {
  programEnvironment,
  createTestCa,
  freePort,
  startTestNats,
  startTestPostgres,
  tempDir,
  type TestCa,
  type TestNats,
} from "@drawbridge/testkit";
import { startPeers, type Peers } from "./peers.ts";

const home = fileURLToPath(new URL("../..", import.meta.url));

export interface ResolverProcess extends AsyncDisposable {
  readonly pid: number;
  readonly ports: Ports;
  /** kill -9 */
  kill(): Promise<void>;
  /** All that it wrote. */
  output(): string;
}

export interface Ports {
  readonly fabric: number;
  readonly upload: number;
  readonly internal: number;
  readonly ops: number;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A program and arguments that start it instead of Node itself, which they get as "$@". */
  readonly shell?: string;
  /** Default "started". "ready" is what it can be with a part away that work goes on without. */
  readonly until?: "started" | "ready";
}

/** Real PostgreSQL, NATS, certificates and processes; cert-authority and runtime-manager answer as the test says. */
export interface Environment extends AsyncDisposable {
  readonly ca: TestCa;
  readonly nats: TestNats;
  readonly peers: Peers;
  readonly blobDir: string;
  readonly adminUrl: string;
  readonly folder: string;
  readonly managementApi: IdentitySnapshot;
  readonly agent: IdentitySnapshot;
  readonly fabricId: string;
  start(options?: StartOptions): Promise<ResolverProcess>;
}

export async function startEnvironment(): Promise<Environment> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempDir());
  const postgres = stack.use(await startTestPostgres());
  const database = stack.use(
    await postgres.createDatabase({ schema: "config_resolver", migrations: join(home, "migrations") }),
  );
  const nats = stack.use(await startTestNats());
  const ca = await createTestCa();
  const peers = stack.use(await startPeers(ca));
  const blobDir = join(folder.path, "blobs");
  const identityDir = join(folder.path, "identity");
  await mkdir(blobDir);
  await saveIdentityDir(identityDir, await ca.issueService("config-resolver"), new Date());
  const secret = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder.path, name), content, { mode: 0o600 });
    return join(folder.path, name);
  };
  const settings = {
    ...programEnvironment(),
    DRAWBRIDGE_DATABASE_URL_FILE: await secret("database-url", database.url),
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: await secret("nats", nats.credentials),
    DRAWBRIDGE_IDENTITY_DIR: identityDir,
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: peers.certAuthority,
    DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: peers.runtimeManager,
    DRAWBRIDGE_BLOB_DIR: blobDir,
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: await secret("kek", randomBytes(32).toString("base64url")),
  };
  const fabricId = randomUUID();
  const managementApi = await ca.issueService("management-api");
  const agent = await ca.issueAgent({ org: "acme", fabricId, agentId: randomUUID() });
  const owned = stack.move();
  return {
    ca,
    nats,
    peers,
    blobDir,
    adminUrl: database.adminUrl,
    folder: folder.path,
    managementApi,
    agent,
    fabricId,
    start: (options = {}) => startResolver({ ...settings, ...options.env }, options),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startResolver(
  settings: Readonly<Record<string, string>>,
  { shell, until = "started" }: StartOptions,
): Promise<ResolverProcess> {
  const ports: Ports = {
    fabric: await freePort(),
    upload: await freePort(),
    internal: await freePort(),
    ops: await freePort(),
  };
  const env = {
    ...settings,
    DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${ports.fabric}`,
    DRAWBRIDGE_UPLOAD_LISTEN: `127.0.0.1:${ports.upload}`,
    DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${ports.internal}`,
    DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ports.ops}`,
  };
  const command = [process.execPath, join(home, "src/main.ts")];
  const [program = "", ...args] =
    shell === undefined ? command : ["unshare", "-rm", "sh", "-c", shell, "sh", ...command];
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => void (output += String(data)));
  const exited = once(child, "close");
  await waitReady(child, ports.ops, { output: () => output, until });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    pid: child.pid ?? 0,
    ports,
    output: () => output,
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

async function waitReady(
  child: ChildProcess,
  opsPort: number,
  { output, until }: { readonly output: () => string; readonly until: "started" | "ready" },
): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`config-resolver ended with ${child.exitCode}:\n${output()}`);
    const isStarted = until === "ready" || output().includes('"msg":"started"');
    const isReady = await fetch(`http://127.0.0.1:${opsPort}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (isStarted && isReady) return;
    await pause(25);
  }
}
