import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@drawbridge/local";
import type { TestNats } from "./backend/test-nats.ts";
import type { TestDatabase } from "./backend/test-postgres.ts";
import { untilReady } from "./until-ready.ts";

/** The real monitoring-ingest, as a process of its own. Begins when `start` is called. */
export interface MonitoringIngestProcess extends AsyncDisposable {
  /** Of its listener for collectors; the same after a restart. */
  readonly fabricAddress: string;
  /** Of its gRPC for services. */
  readonly address: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** All that it wrote. */
  output(): string;
}

const home = fileURLToPath(new URL("../../../apps/control-plane/monitoring-ingest", import.meta.url));

export const monitoringIngestMigrations = join(home, "migrations");

export async function createMonitoringIngestProcess(options: {
  readonly dir: string;
  readonly database: TestDatabase;
  /** Folder with tls.crt, tls.key and trust-bundle.json. */
  readonly identityDir: string;
  readonly certAuthorityAddress: string;
  readonly nats: TestNats;
  readonly checkInIntervalMs?: number;
}): Promise<MonitoringIngestProcess> {
  const [fabricPort, internalPort, opsPort] = [await freePort(), await freePort(), await freePort()];
  const databaseUrlFile = join(options.dir, "ingest-database-url");
  await writeFile(databaseUrlFile, options.database.url, { mode: 0o600 });
  const natsFile = join(options.dir, "ingest-nats");
  await writeFile(natsFile, options.nats.credentials, { mode: 0o600 });
  const env = {
    PATH: process.env["PATH"] ?? "",
    DRAWBRIDGE_DATABASE_URL_FILE: databaseUrlFile,
    DRAWBRIDGE_IDENTITY_DIR: options.identityDir,
    DRAWBRIDGE_NATS_URL: options.nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: natsFile,
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: options.certAuthorityAddress,
    DRAWBRIDGE_FABRIC_LISTEN: `127.0.0.1:${fabricPort}`,
    DRAWBRIDGE_INTERNAL_LISTEN: `127.0.0.1:${internalPort}`,
    DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    DRAWBRIDGE_CHECK_IN_INTERVAL_MS: String(options.checkInIntervalMs ?? 50),
  };
  let written = "";
  let child: ChildProcess | undefined;
  const monitoringIngest: MonitoringIngestProcess = {
    fabricAddress: `127.0.0.1:${fabricPort}`,
    address: `127.0.0.1:${internalPort}`,
    output: () => written,
    start: async () => {
      const started = spawn(process.execPath, [join(home, "src/main.ts")], { env, stdio: ["ignore", "pipe", "pipe"] });
      for (const stream of [started.stdout, started.stderr])
        stream.on("data", (data) => void (written += String(data)));
      child = started;
      await untilReady({
        name: "monitoring-ingest",
        url: `http://127.0.0.1:${opsPort}/readyz`,
        exitCode: () => started.exitCode ?? undefined,
        output: () => written,
      });
      while (!written.includes('"msg":"started"')) await once(started.stdout, "data"); // listeners open last
    },
    kill: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    },
    [Symbol.asyncDispose]: () => monitoringIngest.kill(),
  };
  return monitoringIngest;
}
