import { loadConfig } from "@drawbridge/config";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createHealth, cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import { configSchema, type MonitoringCollectorConfig } from "./config.ts";
import { exitCode } from "./exit-code.ts";
import { createMonitoringCollectorService } from "./service.ts";

process.exit(await main());

async function main(): Promise<number> {
  let config: MonitoringCollectorConfig;
  try {
    config = loadConfig({ schema: configSchema, env: process.env });
  } catch (error) {
    if (!isDrawbridgeError(error, "CONFIG_INVALID")) throw error;
    process.stderr.write(`${error.message}\n`);
    return exitCode.usage;
  }
  const service = "monitoring-collector";
  const logger = createLogger({ service, level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  const telemetry = startTelemetry({
    service,
    replica: `${service}-0`,
    otlpEndpoint: config.OTLP_ENDPOINT,
    traceFile: config.TRACE_FILE,
    logger,
  });
  const health = createHealth();
  const components = createMonitoringCollectorService({
    config,
    logger,
    telemetry,
    health,
    clock: systemClock,
    random: cryptoRandom,
    ids: uuidV7Ids,
  });
  return runUntilSignal(components, { logger, health });
}
