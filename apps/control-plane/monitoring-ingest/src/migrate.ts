import { fileURLToPath } from "node:url";
import { loadConfig } from "@drawbridge/config";
import { runMigrations } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { migrateConfigSchema } from "./config.ts";

const config = loadConfig({ schema: migrateConfigSchema, env: process.env });
const logger = createLogger({ service: "monitoring-ingest", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
await runMigrations({
  url: config.DATABASE_URL_FILE,
  schema: "monitoring_ingest",
  directory: fileURLToPath(new URL("../migrations", import.meta.url)),
  logger,
});
