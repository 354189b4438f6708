import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cryptoRandom, retryWithBackoff, systemClock } from "@drawbridge/lifecycle";
import { freePort, provisionDatabase, startNats, startPostgres } from "@drawbridge/local";
import { derToPem, IdentityHolder, saveIdentityDir } from "@drawbridge/pki";
import { createTestCa, tempDir, type TestCa } from "@drawbridge/testkit";
import { seedAgents } from "./seed-agents.ts";
import type { AgentFile } from "./agent-protocol.ts";

/** One runtime-manager in a process of its own, on a real PostgreSQL and a real NATS. */
export interface RuntimeStack extends AsyncDisposable {
  readonly agents: AgentFile;
  /** Path of the file with `agents`. */
  readonly agentFile: string;
  /** Folder with tls.key, tls.crt and roots.pem of a server identity. */
  readonly peerDirectory: string;
  readonly tunnelPort: number;
  readonly internalAddress: string;
  readonly managementApi: IdentityHolder;
  /** Start the service; resolves when it is ready. */
  start(settings?: Readonly<Record<string, string>>): Promise<void>;
  kill(): Promise<void>;
  pid(): number;
  readonly postgresPid: number;
  readonly logPath: string;
}

const appDirectory = fileURLToPath(new URL("../../../apps/control-plane/runtime-manager", import.meta.url));
const schema = "runtime_manager";
const startTimeoutMs = 60_000;

export async function startRuntimeStack(options: {
  readonly agents: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeArguments: readonly string[];
}): Promise<RuntimeStack> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await tempDir()).path;
  const postgres = await startPostgres({ stateDir: join(directory, "postgres"), port: 0, survives: "power-cut" });
  stack.defer(() => postgres.stop());
  const nats = await startNats({ stateDir: join(directory, "nats"), port: 0 });
  stack.defer(() => nats.stop());
  let databaseUrl = "";
  await provisionDatabase({
    adminUrl: postgres.url,
    services: [schema],
    saveUrl: (_service, url) => {
      databaseUrl = url;
      return Promise.resolve();
    },
  });
  const urlFile = join(directory, "database-url");
  await writeFile(urlFile, databaseUrl, { mode: 0o600 });
  const logPath = join(directory, "log");
  const run = (
    program: string,
    env: Readonly<Record<string, string>>,
    nodeArguments: readonly string[],
  ): ChildProcess => {
    const log = openSync(logPath, "a", 0o600);
    const child = spawn(process.execPath, [...nodeArguments, join(appDirectory, "src", program)], {
      cwd: appDirectory,
      env,
      stdio: ["ignore", log, log],
    });
    closeSync(log); // the child has its own
    return child;
  };
  const migration = run("migrate.ts", { DRAWBRIDGE_DATABASE_URL_FILE: urlFile }, []);
  const [exitCode] = (await once(migration, "exit")) as [number | null]; // the event's first argument
  if (exitCode !== 0) throw new Error(`migrate.ts ended with exit code ${exitCode}; see ${logPath}`);

  const ca = await createTestCa();
  const identityDir = join(directory, "identity");
  await saveIdentityDir(identityDir, await ca.issueService("runtime-manager"), new Date());
  const agents = await seedAgents({ ca, databaseUrl, schema, count: options.agents });
  const agentFile = join(directory, "agents.json");
  await writeFile(agentFile, JSON.stringify(agents), { mode: 0o600 });
  const peerDirectory = await writePeerIdentity(ca, directory);

  const [fabric, internal, ops] = [await freePort(), await freePort(), await freePort()];
  let service: ChildProcess | undefined;
  async function stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (!service || service.exitCode !== null || service.signalCode !== null) return;
    const exited = once(service, "exit");
    service.kill(signal);
    await exited;
  }
  stack.defer(() => stop("SIGKILL"));
  const started = stack.move();
  return {
    agents,
    agentFile,
    peerDirectory,
    tunnelPort: fabric,
    internalAddress: `127.0.0.1:${internal}`,
    managementApi: new IdentityHolder(await ca.issueService("management-api")),
    logPath,
    postgresPid: postgres.pid ?? 0,
    kill: () => stop("SIGKILL"),
    pid: () => {
      if (service?.pid === undefined) throw new Error("runtime-manager is not running");
      return service.pid;
    },
    start: async (settings = {}) => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        DRAWBRIDGE_DATABASE_URL_FILE: urlFile,
        DRAWBRIDGE_NATS_URL: nats.url,
        DRAWBRIDGE_NATS_CREDENTIALS_FILE: nats.credentialsFile,
        DRAWBRIDGE_IDENTITY_DIR: identityDir,
        DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: "127.0.0.1:1", // every agent of the run is known already
        DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${fabric}`,
        DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internal}`,
        DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ops}`,
        ...options.environment,
        ...settings,
      };
      service = run("main.ts", env, options.nodeArguments);
      await untilReady(`http://127.0.0.1:${ops}/readyz`, service);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function writePeerIdentity(ca: TestCa, directory: string): Promise<string> {
  const identity = await ca.issueService("runtime-manager");
  const peer = join(directory, "peer");
  await saveIdentityDir(peer, identity, new Date());
  await writeFile(join(peer, "roots.pem"), ca.trustBundle.rootsDer.map((der) => derToPem(der, "CERTIFICATE")).join(""));
  return peer;
}

async function untilReady(url: string, service: ChildProcess): Promise<void> {
  const isReady = async (signal: AbortSignal): Promise<void> => {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(await response.text());
  };
  const onFailure = (): "retry" | "stop" => (service.exitCode === null ? "retry" : "stop");
  const timing = { clock: systemClock, random: cryptoRandom, baseMs: 20, capMs: 100, onFailure };
  await retryWithBackoff(isReady, timing, AbortSignal.timeout(startTimeoutMs));
}
