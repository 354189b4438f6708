import { loadConfig } from "@drawbridge/config";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { rewrapConfigSchema } from "./config.ts";
import type { ConfigResolverDatabase } from "./store/database.ts";
import { rewrapKeys } from "./store/rewrap-keys.ts";

const config = loadConfig({ schema: rewrapConfigSchema, env: process.env });
const logger = createLogger({ service: "config-resolver", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const keks = parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal());
const store = openStore<ConfigResolverDatabase>({ url: config.DATABASE_URL_FILE, schema: "config_resolver", logger });
const stopping = new AbortController();
await store.start(stopping.signal);
try {
  const { rewrapped } = await rewrapKeys({
    store,
    keks,
    onProgress: (progress) => logger.info({ ...progress, kek_id: keks.current.id }, "keys rewrapped"),
    onDamaged: (digest, error) => logger.error({ digest, err: error }, "key cannot be opened, left as it is"),
  });
  logger.info({ rewrapped, kek_id: keks.current.id }, "all keys are under the current key encryption key");
} catch (error) {
  logger.fatal({ err: error }, "keys are not all rewrapped");
  process.exitCode = 1;
} finally {
  await store.stop(stopping.signal);
}
