import { loadConfigOrExit } from "@drawbridge/config";
import { createHealth, cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import { configSchema } from "./config.ts";
import { createConfigResolverService } from "./service.ts";

const config = loadConfigOrExit({ program: "config-resolver", schema: configSchema, env: process.env });
const logger = createLogger({ service: "config-resolver", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
const telemetry = startTelemetry({
  service: "config-resolver",
  replica: config.REPLICA,
  otlpEndpoint: config.OTLP_ENDPOINT,
  traceFile: config.TRACE_FILE,
  logger,
});
const health = createHealth();
const components = createConfigResolverService({
  config,
  logger,
  telemetry,
  health,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
}).components;
process.exit(await runUntilSignal([telemetry, ...components], { logger, health }));
