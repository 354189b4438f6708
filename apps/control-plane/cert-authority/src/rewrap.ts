import { loadConfigOrExit } from "@drawbridge/config";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { rewrapConfigSchema } from "./config.ts";
import { rewrapCaKeys } from "./store/rewrap-ca-keys.ts";
import type { CertAuthorityDb } from "./store/schema.ts";

const service = "cert-authority-rewrap";
const config = loadConfigOrExit({ program: service, schema: rewrapConfigSchema, env: process.env });
const logger = createLogger({ service, level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const keks = parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal());
const store = openStore<CertAuthorityDb>({ url: config.DATABASE_URL_FILE, schema: "cert_authority", logger });
await store.start(AbortSignal.timeout(60_000));
try {
  const rewrapped = await rewrapCaKeys(store, keks);
  logger.info({ rewrapped, kek_id: keks.current.id }, "all CA keys are under the current key encryption key");
} catch (error) {
  logger.fatal({ err: error }, "CA keys are not rewrapped");
  process.exitCode = 1;
} finally {
  await store.stop(AbortSignal.timeout(5_000));
}
