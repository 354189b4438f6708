import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@drawbridge/local";
import type { TestNats } from "./backend/test-nats.ts";
import type { TestDatabase } from "./backend/test-postgres.ts";
import { untilReady } from "./until-ready.ts";

/** The real runtime-manager, as a process of its own. Begins when `start` is called. */
export interface RuntimeManagerProcess extends AsyncDisposable {
  /** Of its gRPC for services; the same after a restart. */
  readonly address: string;
  /** Where agents connect; the same after a restart. */
  readonly tunnelAddress: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** All that it wrote. */
  output(): string;
}

const home = fileURLToPath(new URL("../../../apps/control-plane/runtime-manager", import.meta.url));

export const runtimeManagerMigrations = join(home, "migrations");

export async function createRuntimeManagerProcess(options: {
  readonly dir: string;
  readonly database: TestDatabase;
  readonly nats: TestNats;
  /** Folder with an identity folder per service. */
  readonly identitiesDir: string;
  /** Further settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: nobody listens there, so that all it can do about certificates is to announce. */
  readonly certAuthorityAddress?: string;
}): Promise<RuntimeManagerProcess> {
  const { dir, database, nats } = options;
  const [internalPort, fabricPort, opsPort] = [await freePort(), await freePort(), await freePort()];
  const file = async (name: string, content: string): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  const env = {
    PATH: process.env["PATH"] ?? "",
    DRAWBRIDGE_DATABASE_URL_FILE: await file("rm-database-url", database.url),
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: await file("rm-nats", nats.credentials),
    DRAWBRIDGE_IDENTITY_DIR: join(options.identitiesDir, "runtime-manager"),
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: options.certAuthorityAddress ?? "127.0.0.1:1",
    DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internalPort}`,
    DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${fabricPort}`,
    DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    ...options.env,
  };
  let written = "";
  let child: ChildProcess | undefined;
  const runtimeManager: RuntimeManagerProcess = {
    address: `127.0.0.1:${internalPort}`,
    tunnelAddress: `127.0.0.1:${fabricPort}`,
    output: () => written,
    start: async () => {
      const started = spawn(process.execPath, [join(home, "src/main.ts")], { env, stdio: ["ignore", "pipe", "pipe"] });
      for (const stream of [started.stdout, started.stderr])
        stream.on("data", (data) => void (written += String(data)));
      child = started;
      await untilReady({
        name: "runtime-manager",
        url: `http://127.0.0.1:${opsPort}/readyz`,
        exitCode: () => started.exitCode ?? undefined,
        output: () => written,
      });
    },
    kill: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    },
    [Symbol.asyncDispose]: () => runtimeManager.kill(),
  };
  return runtimeManager;
}
