import { runUntilSignal } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry, type Logger } from "@drawbridge/telemetry";
import type { ClusterDriver } from "../cluster/cluster-driver.ts";
import { createProcessDriver } from "../cluster/process/process-driver.ts";
import { loadAgentConfig, parsePortRange, type AgentConfig } from "../config.ts";
import { createAgentService } from "../service.ts";
import { assertNotLocked } from "../state/run-lock.ts";
import { stateLayout } from "../state/state-layout.ts";
import { runPurpose } from "../state/state-lock.ts";
import type { CommandWorld, CommonOptions } from "./command-context.ts";

/** `drawbridge-agent run`: until SIGTERM or SIGINT. Apps go on without it. */
export async function runCommand(world: CommandWorld, options: CommonOptions): Promise<number> {
  const { clock, random, ids } = world;
  const config = loadAgentConfig(world.env, options);
  // Told like every other mistake of a command, in words; two that start at once are told apart by the lock itself.
  await assertNotLocked({ path: stateLayout(config.STATE_DIR).lock, purpose: runPurpose });
  const logger = createLogger({ service: "agent", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  const telemetry = startTelemetry({
    service: "agent",
    replica: "agent-0",
    otlpEndpoint: config.OTLP_ENDPOINT,
    traceFile: config.TRACE_FILE,
    logger,
  });
  const { components, health } = createAgentService({
    config,
    createDriver: (stateDirectory) => createDriver(config, { stateDirectory, logger, world }),
    logger,
    telemetry,
    clock,
    random,
    ids,
  });
  return runUntilSignal(components, { logger, health });
}

function createDriver(
  config: AgentConfig,
  about: { readonly stateDirectory: string; readonly logger: Logger; readonly world: CommandWorld },
): ClusterDriver {
  const { clock, random, ids } = about.world;
  switch (config.CLUSTER_DRIVER) {
    case "process":
      return createProcessDriver({
        stateDirectory: about.stateDirectory,
        logger: about.logger.child({ component: "process-driver" }),
        publicPorts: parsePortRange(config.APP_PORT_RANGE),
        address: config.APP_LISTEN_HOST,
        clock,
        random,
        ids,
      });
  }
}
