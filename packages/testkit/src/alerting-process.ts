import { join } from "node:path";
import type { TestNats } from "./backend/test-nats.ts";
import type { TestDatabase } from "./backend/test-postgres.ts";
import {
  type ControlPlaneProcess,
  createControlPlaneProcess,
  privateFile,
  serviceHome,
} from "./control-plane-process.ts";

export const alertingMigrations = join(serviceHome("alerting"), "migrations");

/** The real alerting, as a process of its own, which looks at its rules every second. Begins when `start` is called. */
export async function createAlertingProcess(options: {
  readonly dir: string;
  readonly database: TestDatabase;
  /** Folder with tls.crt, tls.key and trust-bundle.json. */
  readonly identityDir: string;
  readonly certAuthorityAddress: string;
  readonly analyticsIngestAddress: string;
  readonly nats: TestNats;
  /** Of its gRPC. */
  readonly address: string;
  /** The operator's file. */
  readonly rules: string;
}): Promise<ControlPlaneProcess> {
  const { dir, nats, address } = options;
  return createControlPlaneProcess({
    name: "alerting",
    env: {
      DRAWBRIDGE_DATABASE_URL_FILE: await privateFile(dir, "alerting-database-url", options.database.url),
      DRAWBRIDGE_IDENTITY_DIR: options.identityDir,
      DRAWBRIDGE_NATS_URL: nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: await privateFile(dir, "alerting-nats", nats.credentials),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: options.certAuthorityAddress,
      DRAWBRIDGE_ANALYTICS_INGEST_ADDRESS: options.analyticsIngestAddress,
      DRAWBRIDGE_INTERNAL_LISTEN: address,
      DRAWBRIDGE_RULES_FILE: await privateFile(dir, "alerting.yaml", options.rules),
      DRAWBRIDGE_EVALUATE_SECONDS: "1",
    },
  });
}
