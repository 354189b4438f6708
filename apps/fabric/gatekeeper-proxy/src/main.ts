import { loadConfig } from "@drawbridge/config";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createHealth, cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import { showGates } from "./cli/show-gates.ts";
import { configSchema, type GatekeeperProxyConfig } from "./config.ts";
import { createGatekeeperProxyService } from "./service.ts";

const [command, ...parameters] = process.argv.slice(2);
process.exit(command === "gates" ? await showGates(parameters, process.env) : await main());

async function main(): Promise<number> {
  let config: GatekeeperProxyConfig;
  try {
    // The last two are how a shim finds its process.
    config = loadConfig({ schema: configSchema, env: process.env, foreign: ["APP_ID", "REPLICA"] });
  } catch (error) {
    if (!isDrawbridgeError(error, "CONFIG_INVALID")) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  const service = "gatekeeper-proxy";
  const logger = createLogger({ service, level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  const telemetry = startTelemetry({
    service,
    replica: config.GATEWAY_ID,
    otlpEndpoint: config.OTLP_ENDPOINT,
    traceFile: config.TRACE_FILE,
    logger,
  });
  const health = createHealth();
  const deps = { config, logger, telemetry, health, clock: systemClock, random: cryptoRandom, ids: uuidV7Ids };
  const stopTimeoutMs = (config.STOP_ACCEPTING_AFTER_SECONDS + config.DRAIN_SECONDS) * 1_000;
  return runUntilSignal(createGatekeeperProxyService(deps), { logger, health, stopTimeoutMs });
}
