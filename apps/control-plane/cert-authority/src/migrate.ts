import { join } from "node:path";
import { loadConfigOrExit } from "@drawbridge/config";
import { runMigrations } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { migrateConfigSchema } from "./config.ts";

const config = loadConfigOrExit({ program: "cert-authority-migrate", schema: migrateConfigSchema, env: process.env });
const logger = createLogger({ service: "cert-authority-migrate", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
await runMigrations({
  url: config.DATABASE_URL_FILE,
  schema: "cert_authority",
  directory: join(import.meta.dirname, "../migrations"),
  logger,
});
