import { randomBytes } from "node:crypto";
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

/** The real cert-authority, as a process of its own. */
export interface CertAuthorityProcess extends ControlPlaneProcess {
  readonly address: string;
  /** Folder with an identity folder per service. */
  readonly identitiesDir: string;
}

export const certAuthorityMigrations = join(serviceHome("cert-authority"), "migrations");

export async function startCertAuthority(options: {
  readonly dir: string;
  readonly database: TestDatabase;
  readonly nats: TestNats;
  /** host:port at which it asks about fabrics; default nobody. */
  readonly runtimeManagerAddress?: string;
}): Promise<CertAuthorityProcess> {
  const { dir, database, nats } = options;
  const identitiesDir = join(dir, "identities");
  const [address, publicAddress] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const common = {
    DRAWBRIDGE_DATABASE_URL_FILE: await privateFile(dir, "ca-database-url", database.url),
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: await privateFile(dir, "ca-kek", randomBytes(32).toString("base64url")),
  };
  const service = await createControlPlaneProcess({
    name: "cert-authority",
    env: {
      ...common,
      DRAWBRIDGE_INTERNAL_LISTEN: address,
      DRAWBRIDGE_FABRIC_LISTEN: publicAddress,
      DRAWBRIDGE_NATS_URL: nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: await privateFile(dir, "ca-nats", nats.credentials),
      DRAWBRIDGE_IDENTITY_DIR: join(identitiesDir, "cert-authority"),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: address,
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: options.runtimeManagerAddress ?? "127.0.0.1:1",
    },
  });
  await service.run("bootstrap.ts", { ...common, DRAWBRIDGE_IDENTITIES_DIR: identitiesDir });
  await service.start();
  return { ...service, address, identitiesDir };
}
