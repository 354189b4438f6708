import { loadConfig } from "@drawbridge/config";
import { createHealth, cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import { configSchema } from "./config.ts";
import { createMonitoringIngestService } from "./service.ts";

const config = loadConfig({ schema: configSchema, env: process.env });
const logger = createLogger({ service: "monitoring-ingest", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const telemetry = startTelemetry({
  service: "monitoring-ingest",
  replica: config.REPLICA,
  otlpEndpoint: config.OTLP_ENDPOINT,
  traceFile: config.TRACE_FILE,
  logger,
});
const health = createHealth();
const components = createMonitoringIngestService({
  config,
  logger,
  telemetry,
  health,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
}).components;
process.exit(await runUntilSignal([telemetry, ...components], { logger, health }));
