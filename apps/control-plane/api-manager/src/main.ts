import { loadConfigOrExit } from "@drawbridge/config";
import { cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import { configSchema } from "./config.ts";
import { createApiManagerService } from "./service.ts";

const config = loadConfigOrExit({ program: "api-manager", schema: configSchema, env: process.env });
const logger = createLogger({ service: "api-manager", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const telemetry = startTelemetry({
  service: "api-manager",
  replica: config.REPLICA,
  otlpEndpoint: config.OTLP_ENDPOINT,
  traceFile: config.TRACE_FILE,
  logger,
});
const { components, health } = createApiManagerService({
  config,
  logger,
  telemetry,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
});
process.exit(await runUntilSignal(components, { logger, health }));
