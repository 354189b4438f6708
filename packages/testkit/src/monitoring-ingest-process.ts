import { join } from "node:path";
import { freePort } from "@drawbridge/local";
import type { TestNats } from "./backend/test-nats.ts";
import type { TestDatabase } from "./backend/test-postgres.ts";
import {
  type ControlPlaneProcess,
  createControlPlaneProcess,
  privateFile,
  serviceHome,
} from "./control-plane-process.ts";

/** The real monitoring-ingest, as a process of its own. Begins when `start` is called. */
export interface MonitoringIngestProcess extends ControlPlaneProcess {
  /** Of its listener for collectors; the same after a restart. */
  readonly fabricAddress: string;
  /** Of its gRPC for services. */
  readonly address: string;
}

export const monitoringIngestMigrations = join(serviceHome("monitoring-ingest"), "migrations");

export async function createMonitoringIngestProcess(options: {
  readonly dir: string;
  readonly database: TestDatabase;
  /** Folder with tls.crt, tls.key and trust-bundle.json. */
  readonly identityDir: string;
  readonly certAuthorityAddress: string;
  readonly nats: TestNats;
  readonly checkInIntervalMs?: number;
  /** More settings, such as limits. */
  readonly env?: Readonly<Record<string, string>>;
}): Promise<MonitoringIngestProcess> {
  const [fabricAddress, address] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const service = await createControlPlaneProcess({
    name: "monitoring-ingest",
    env: {
      DRAWBRIDGE_DATABASE_URL_FILE: await privateFile(options.dir, "ingest-database-url", options.database.url),
      DRAWBRIDGE_IDENTITY_DIR: options.identityDir,
      DRAWBRIDGE_NATS_URL: options.nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: await privateFile(options.dir, "ingest-nats", options.nats.credentials),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: options.certAuthorityAddress,
      DRAWBRIDGE_FABRIC_LISTEN: fabricAddress,
      DRAWBRIDGE_INTERNAL_LISTEN: address,
      DRAWBRIDGE_CHECK_IN_INTERVAL_MS: String(options.checkInIntervalMs ?? 50),
      DRAWBRIDGE_DATA_DIR: join(options.dir, "ingest-data"),
      DRAWBRIDGE_FLUSH_INTERVAL_MS: "20",
      ...options.env,
    },
  });
  return { ...service, fabricAddress, address };
}
