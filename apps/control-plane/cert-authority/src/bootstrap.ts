import { loadConfigOrExit } from "@drawbridge/config";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger } from "@drawbridge/telemetry";
import { runBootstrap } from "./ca/run-bootstrap.ts";
import { bootstrapConfigSchema } from "./config.ts";

const config = loadConfigOrExit({
  program: "cert-authority-bootstrap",
  schema: bootstrapConfigSchema,
  env: process.env,
});
const logger = createLogger({
  service: "cert-authority-bootstrap",
  level: config.LOG_LEVEL,
  format: config.LOG_FORMAT,
});
await runBootstrap({ config, logger, clock: systemClock, ids: uuidV7Ids });
