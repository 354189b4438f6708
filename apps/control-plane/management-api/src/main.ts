import { loadConfigOrExit } from "@drawbridge/config";
import { cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import { configSchema } from "./config.ts";
import { createManagementApiService } from "./service.ts";

const config = loadConfigOrExit({ program: "management-api", schema: configSchema, env: process.env });
const service = "management-api";
const logger = createLogger({ service, level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const telemetry = startTelemetry({
  service,
  replica: config.REPLICA,
  otlpEndpoint: config.OTLP_ENDPOINT,
  traceFile: config.TRACE_FILE,
  logger,
});
const { components, health } = createManagementApiService({
  config,
  logger,
  telemetry,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
});
process.exit(await runUntilSignal(components, { logger, health }));
