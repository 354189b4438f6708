import { join } from "node:path";
import { freePort } from "@drawbridge/local";
import type { TestNats } from "./backend/test-nats.ts";
import { type ControlPlaneProcess, createControlPlaneProcess, privateFile } from "./control-plane-process.ts";

/** The real analytics-ingest, with a store of its own, as a process of its own. Begins when `start` is called. */
export interface AnalyticsIngestProcess extends ControlPlaneProcess {
  /** Of its listener for gateways; the same after a restart. */
  readonly fabricAddress: string;
  /** Of its gRPC for services. */
  readonly address: string;
}

export async function createAnalyticsIngestProcess(options: {
  readonly dir: string;
  /** Folder with tls.crt, tls.key and trust-bundle.json. */
  readonly identityDir: string;
  readonly certAuthorityAddress: string;
  readonly nats: TestNats;
}): Promise<AnalyticsIngestProcess> {
  const [fabricAddress, address] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const service = await createControlPlaneProcess({
    name: "analytics-ingest",
    env: {
      DRAWBRIDGE_DATA_DIR: join(options.dir, "analytics"),
      DRAWBRIDGE_IDENTITY_DIR: options.identityDir,
      DRAWBRIDGE_NATS_URL: options.nats.url,
      DRAWBRIDGE_NATS_CREDENTIALS_FILE: await privateFile(options.dir, "analytics-nats", options.nats.credentials),
      DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: options.certAuthorityAddress,
      DRAWBRIDGE_FABRIC_LISTEN: fabricAddress,
      DRAWBRIDGE_INTERNAL_LISTEN: address,
    },
  });
  return { ...service, fabricAddress, address };
}
