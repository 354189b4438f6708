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

/** The real runtime-manager, as a process of its own. Begins when `start` is called. */
export interface RuntimeManagerProcess extends ControlPlaneProcess {
  /** Of its gRPC for services; the same after a restart. */
  readonly address: string;
  /** Where agents connect; the same after a restart. */
  readonly tunnelAddress: string;
}

export const runtimeManagerMigrations = join(serviceHome("runtime-manager"), "migrations");

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
  const [address, tunnelAddress] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const service = await createControlPlaneProcess({
    name: "runtime-manager",
    env: {
      DRAWBRIDGE_DATABASE_URL_FILE: await privateFile(dir, "rm-database-url", database.url),
      DRAWBRIDGE_NATS_URL: nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: await privateFile(dir, "rm-nats", nats.credentials),
      DRAWBRIDGE_IDENTITY_DIR: join(options.identitiesDir, "runtime-manager"),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: options.certAuthorityAddress ?? "127.0.0.1:1",
      DRAWBRIDGE_INTERNAL_LISTEN: address,
      DRAWBRIDGE_FABRIC_LISTEN: tunnelAddress,
      ...options.env,
    },
  });
  return { ...service, address, tunnelAddress };
}
