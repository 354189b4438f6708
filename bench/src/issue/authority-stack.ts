import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { freePort, provisionDatabase, startNats, startPostgres } from "@drawbridge/local";
import { loadIdentityDir, type IdentitySnapshot } from "@drawbridge/pki";
import { tempDir, untilReady } from "@drawbridge/testkit";

/** The real cert-authority in a process of its own, on a PostgreSQL that syncs every commit to disk, and a real NATS. */
export interface AuthorityStack extends AsyncDisposable {
  /** host:port of its gRPC listener. */
  readonly address: string;
  readonly databaseUrl: string;
  /** The other schema's, if there is one. */
  readonly otherDatabaseUrl: string;
  readonly directory: string;
  readonly servicePid: number;
  readonly postgresPid: number;
  /** Settings of another service on the same PostgreSQL and NATS, with an identity of this authority. */
  settingsOf(service: string): Readonly<Record<string, string>>;
  identityOf(service: string): Promise<IdentitySnapshot>;
}

const appDirectory = resolve(import.meta.dirname, "../../../apps/control-plane/cert-authority");
const schema = "cert_authority";

export async function startAuthorityStack(options: {
  readonly nodeArguments: readonly string[];
  /** Settings that differ from the defaults. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Of a service that is to run beside it. */
  readonly otherSchema?: string;
}): Promise<AuthorityStack> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await tempDir()).path;
  const postgres = await startPostgres({ stateDir: join(directory, "postgres"), port: 0, survives: "power-cut" });
  stack.defer(() => postgres.stop());
  const nats = await startNats({ stateDir: join(directory, "nats"), port: 0 });
  stack.defer(() => nats.stop());

  const writeSecret = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const databaseUrls = new Map<string, string>();
  await provisionDatabase({
    adminUrl: postgres.url,
    services: options.otherSchema === undefined ? [schema] : [schema, options.otherSchema],
    saveUrl: (service, url) => {
      databaseUrls.set(service, url);
      return Promise.resolve();
    },
  });
  const databaseUrl = databaseUrls.get(schema) ?? "";
  const otherDatabaseUrl = databaseUrls.get(options.otherSchema ?? "") ?? "";
  const urlFile = { DRAWBRIDGE_DATABASE_URL_FILE: await writeSecret("database-url", databaseUrl) };
  const otherUrlFile = { DRAWBRIDGE_DATABASE_URL_FILE: await writeSecret("other-database-url", otherDatabaseUrl) };
  const kekFile = {
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: await writeSecret("kek", randomBytes(32).toString("base64url")),
  };
  const identities = join(directory, "identities");
  await runJob("src/migrate.ts", urlFile, directory);
  await runJob("src/bootstrap.ts", { ...urlFile, ...kekFile, DRAWBRIDGE_IDENTITIES_DIR: identities }, directory);

  const [internal, fabric, ops] = [await freePort(), await freePort(), await freePort()];
  const service = startProgram(
    "src/main.ts",
    {
      ...urlFile,
      ...kekFile,
      DRAWBRIDGE_NATS_URL: nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: nats.credentialsFile,
      DRAWBRIDGE_IDENTITY_DIR: join(identities, "cert-authority"),
      DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internal}`,
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: `127.0.0.1:${internal}`,
      DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${fabric}`,
      DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${ops}`,
      ...options.environment,
    },
    { directory, nodeArguments: options.nodeArguments },
  );
  stack.defer(async () => {
    if (service.exitCode !== null || service.signalCode !== null) return;
    service.kill("SIGTERM");
    await once(service, "exit");
  });
  await untilReady({
    url: `http://127.0.0.1:${ops}/readyz`,
    child: service,
    output: () => readFile(join(directory, "log"), "utf8"),
  });
  const started = stack.move();
  return {
    address: `127.0.0.1:${internal}`,
    databaseUrl,
    otherDatabaseUrl,
    directory,
    servicePid: pidOf(service.pid),
    postgresPid: pidOf(postgres.pid),
    settingsOf: (name) => ({
      ...otherUrlFile,
      DRAWBRIDGE_NATS_URL: nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: nats.credentialsFile,
      DRAWBRIDGE_IDENTITY_DIR: join(identities, name),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: `127.0.0.1:${internal}`,
    }),
    identityOf: (name) => loadIdentityDir(join(identities, name), new Date()),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function runJob(program: string, env: Record<string, string>, directory: string): Promise<void> {
  const job = startProgram(program, env, { directory, nodeArguments: [] });
  const [exitCode] = (await once(job, "exit")) as [number | null]; // the event's first argument
  if (exitCode !== 0) throw new Error(`${program} ended with exit code ${exitCode}; see ${join(directory, "log")}`);
}

function startProgram(
  program: string,
  env: Record<string, string>,
  options: { readonly directory: string; readonly nodeArguments: readonly string[] },
): ChildProcess {
  const log = openSync(join(options.directory, "log"), "a", 0o600);
  const child = spawn(process.execPath, [...options.nodeArguments, join(appDirectory, program)], {
    cwd: appDirectory,
    env,
    stdio: ["ignore", log, log],
  });
  closeSync(log); // the child has its own
  return child;
}

function pidOf(pid: number | undefined): number {
  if (pid === undefined) throw new Error("the process has no pid: it did not start");
  return pid;
}
