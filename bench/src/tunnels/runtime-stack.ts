import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@drawbridge/local";
import { derToPem, IdentityHolder, saveIdentityDir, type IdentitySnapshot } from "@drawbridge/pki";
import { untilReady } from "@drawbridge/testkit";
import { startAuthorityStack } from "../issue/authority-stack.ts";
import { seedAgents } from "./seed-agents.ts";
import type { AgentFile } from "./agent-protocol.ts";

/** One runtime-manager in a process of its own, with a real cert-authority, on a real PostgreSQL and a real NATS. */
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

export async function startRuntimeStack(options: {
  readonly agents: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly nodeArguments: readonly string[];
}): Promise<RuntimeStack> {
  await using stack = new AsyncDisposableStack();
  const authority = stack.use(await startAuthorityStack({ nodeArguments: [], otherSchema: schema }));
  const { directory } = authority;
  const settings = authority.settingsOf("runtime-manager");
  const logPath = join(directory, "runtime-manager.log");
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
  const { DRAWBRIDGE_DATABASE_URL_FILE: urlFile = "" } = settings;
  const migration = run("migrate.ts", { DRAWBRIDGE_DATABASE_URL_FILE: urlFile }, []);
  const [exitCode] = (await once(migration, "exit")) as [number | null]; // the event's first argument
  if (exitCode !== 0) throw new Error(`migrate.ts ended with exit code ${exitCode}; see ${logPath}`);

  const identity = await authority.identityOf("runtime-manager");
  const agents = await seedAgents({
    authority: { address: authority.address, identity },
    databaseUrl: authority.otherDatabaseUrl,
    schema,
    count: options.agents,
  });
  const agentFile = join(directory, "agents.json");
  await writeFile(agentFile, JSON.stringify(agents), { mode: 0o600 });
  const peerDirectory = await writePeerIdentity(identity, directory);

  const [fabric, internal, ops] = [await freePort(), await freePort(), await freePort()];
  let service: ChildProcess | undefined;
  async function stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    if (!service || service.exitCode !== null || service.signalCode !== null) return;
    const exited = once(service, "exit");
    service.kill(signal);
    await exited;
  }
  stack.defer(() => stop("SIGKILL"));
  const managementApi = new IdentityHolder(await authority.identityOf("management-api"));
  const started = stack.move();
  return {
    agents,
    agentFile,
    peerDirectory,
    tunnelPort: fabric,
    internalAddress: `127.0.0.1:${internal}`,
    managementApi,
    logPath,
    postgresPid: authority.postgresPid,
    kill: () => stop("SIGKILL"),
    pid: () => {
      if (service?.pid === undefined) throw new Error("runtime-manager is not running");
      return service.pid;
    },
    start: async (changed = {}) => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        ...settings,
        DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${fabric}`,
        DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internal}`,
        DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ops}`,
        ...options.environment,
        ...changed,
      };
      service = run("main.ts", env, options.nodeArguments);
      await untilReady({
        url: `http://127.0.0.1:${ops}/readyz`,
        child: service,
        output: () => readFile(logPath, "utf8"),
      });
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** The bare servers stand under the same name and roots. */
async function writePeerIdentity(identity: IdentitySnapshot, directory: string): Promise<string> {
  const peer = join(directory, "peer");
  await saveIdentityDir(peer, identity, new Date());
  const { rootsDer } = identity.trustBundle;
  await writeFile(join(peer, "roots.pem"), rootsDer.map((der) => derToPem(der, "CERTIFICATE")).join(""));
  return peer;
}
