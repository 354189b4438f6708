import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@drawbridge/local";
import type { TestNats } from "./backend/test-nats.ts";
import type { TestDatabase } from "./backend/test-postgres.ts";
import { untilReady } from "./until-ready.ts";

/** The real cert-authority, as a process of its own. */
export interface CertAuthorityProcess extends AsyncDisposable {
  readonly address: string;
  /** Folder with an identity folder per service. */
  readonly identitiesDir: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** All that it wrote. */
  output(): string;
}

const home = fileURLToPath(new URL("../../../apps/control-plane/cert-authority", import.meta.url));

export const certAuthorityMigrations = join(home, "migrations");

export async function startCertAuthority(options: {
  readonly dir: string;
  readonly database: TestDatabase;
  readonly nats: TestNats;
  /** host:port at which it asks about fabrics; default nobody. */
  readonly runtimeManagerAddress?: string;
}): Promise<CertAuthorityProcess> {
  const { dir, database, nats } = options;
  const identitiesDir = join(dir, "identities");
  const [internalPort, publicPort, opsPort] = [await freePort(), await freePort(), await freePort()];
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const common = {
    PATH: process.env["PATH"] ?? "",
    DRAWBRIDGE_DATABASE_URL_FILE: await file("ca-database-url", database.url),
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: await file("ca-kek", randomBytes(32).toString("base64url")),
  };
  const serviceEnv = {
    ...common,
    DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internalPort}`,
    DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${publicPort}`,
    DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: await file("ca-nats", nats.credentials),
    DRAWBRIDGE_IDENTITY_DIR: join(identitiesDir, "cert-authority"),
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: `127.0.0.1:${internalPort}`,
    DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: options.runtimeManagerAddress ?? "127.0.0.1:1",
  };
  let written = "";
  const run = (program: string, env: Record<string, string>): ChildProcess => {
    const child = spawn(process.execPath, [join(home, "src", program)], { env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => void (written += String(data)));
    return child;
  };

  const bootstrap = run("bootstrap.ts", { ...common, DRAWBRIDGE_IDENTITIES_DIR: identitiesDir });
  const [exitCode] = (await once(bootstrap, "close")) as [number | null];
  if (exitCode !== 0) throw new Error(`bootstrap of cert-authority failed:\n${written}`);

  let child: ChildProcess | undefined;
  const certAuthority: CertAuthorityProcess = {
    address: `127.0.0.1:${internalPort}`,
    identitiesDir,
    output: () => written,
    start: async () => {
      child = run("main.ts", serviceEnv);
      await untilReady({
        name: "cert-authority",
        url: `http://127.0.0.1:${opsPort}/readyz`,
        exitCode: () => child?.exitCode ?? undefined,
        output: () => written,
      });
    },
    kill: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    },
    [Symbol.asyncDispose]: () => certAuthority.kill(),
  };
  await certAuthority.start();
  return certAuthority;
}
