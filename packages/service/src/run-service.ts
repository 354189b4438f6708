import { loadConfigOrExit, type ConfigSchema, type telemetryFields } from "@drawbridge/config";
import { isDrawbridgeError } from "@drawbridge/errors";
import { cryptoRandom, runUntilSignal, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry } from "@drawbridge/telemetry";
import type { z } from "zod";
import type { Service, ServiceDeps } from "./service-deps.ts";

/** The settings without which no service is told of. */
type ServiceSchema = ConfigSchema &
  z.ZodType<z.output<z.ZodObject<ReturnType<typeof telemetryFields>>> & { readonly REPLICA: string }>;

/**
 * The whole program: reads the environment, runs the service until SIGTERM or SIGINT, ends the process. Exit code 0 after
 * an orderly stop, 1 when it could not start or not stop in order; what it cannot start with is said in one line.
 */
export async function runService<Schema extends ServiceSchema>(program: {
  /** As it is called in logs, traces and certificates: `api-manager`. */
  readonly name: string;
  readonly configSchema: Schema;
  readonly env: NodeJS.ProcessEnv;
  readonly create: (deps: ServiceDeps<z.output<Schema>>) => Service;
}): Promise<never> {
  const { name: service, configSchema: schema, env, create } = program;
  const config = loadConfigOrExit({ program: service, schema, env });
  const logger = createLogger({ service, level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  const telemetry = startTelemetry({
    service,
    replica: config.REPLICA,
    otlpEndpoint: config.OTLP_ENDPOINT,
    traceFile: config.TRACE_FILE,
    logger,
  });
  const deps = { config, logger, telemetry, clock: systemClock, random: cryptoRandom, ids: uuidV7Ids };
  let created: Service;
  try {
    created = create(deps);
  } catch (error) {
    // What an operator gave that is no setting: a file of rules, for example. A stack trace would bury what is wrong.
    if (!isDrawbridgeError(error) || error.kind !== "invalid_argument") throw error;
    process.stderr.write(`${service} cannot start: ${error.message} (${error.code})\n`);
    process.exit(1);
  }
  process.exit(await runUntilSignal(created.components, { logger, health: created.health }));
}
