import { join } from "node:path";
import { loadConfigOrExit } from "@drawbridge/config";
import { runMigrations } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { jobConfigSchema } from "./config.ts";

const config = loadConfigOrExit({ program: "management-api-migrate", schema: jobConfigSchema, env: process.env });
const logger = createLogger({ service: "management-api-migrate", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
await runMigrations({
  url: config.DATABASE_URL_FILE,
  schema: "management_api",
  directory: join(import.meta.dirname, "../migrations"),
  logger,
});
