import { loadConfig } from "@drawbridge/config";
import { parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { rewrapConfigSchema } from "./config.ts";
import type { ApiManagerDatabase } from "./store/database.ts";
import { rewrapAll } from "./store/rewrap.ts";

const config = loadConfig({ schema: rewrapConfigSchema, env: process.env });
const logger = createLogger({ service: "api-manager", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const keks = parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal());
const store = openStore<ApiManagerDatabase>({ url: config.DATABASE_URL_FILE, schema: "api_manager", logger });
const stopping = new AbortController();
await store.start(stopping.signal);
try {
  const rewrapped = await rewrapAll(store, keks);
  logger.info({ rewrapped, kek_id: keks.current.id }, "all records are under the current key encryption key");
} catch (error) {
  logger.fatal({ err: error }, "records are not all rewrapped");
  process.exitCode = 1;
} finally {
  await store.stop(stopping.signal);
}
