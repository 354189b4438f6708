import { fileURLToPath } from "node:url";
import { loadConfigOrExit } from "@drawbridge/config";
import { runMigrations } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { migrateConfigSchema } from "./config.ts";

const config = loadConfigOrExit({ program: "api-manager-migrate", schema: migrateConfigSchema, env: process.env });
const logger = createLogger({ service: "api-manager", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
await runMigrations({
  url: config.DATABASE_URL_FILE,
  schema: "api_manager",
  directory: fileURLToPath(new URL("../migrations", import.meta.url)),
  logger,
});
