import { runUntilSignal } from "@drawbridge/lifecycle";
import { createLogger, startTelemetry, type Logger } from "@drawbridge/telemetry";
import type { ClusterDriver } from "../cluster/cluster-driver.ts";
import type { AppUsers } from "../cluster/process/app-users.ts";
import { assertMayRunAs } from "../cluster/process/check-app-users.ts";
import { assertCgroupParent } from "../cluster/process/check-cgroup.ts";
import { createProcessDriver } from "../cluster/process/process-driver.ts";
import { loadAgentConfig, parsePortRange, sharedPortsOf, type AgentConfig } from "../config.ts";
import { noteInsightAllowance } from "../egress/insight-allowance.ts";
import { createAgentService } from "../service.ts";
import { closeStateFolder } from "../state/close-state-folder.ts";
import { assertNotLocked } from "../state/run-lock.ts";
import { stateLayout } from "../state/state-layout.ts";
import { runPurpose } from "../state/state-lock.ts";
import { exitCode } from "./exit-code.ts";
import { readAppUsers } from "./app-isolation.ts";
import type { CommandWorld, CommonOptions } from "./command-context.ts";

/** `drawbridge-agent run`: until SIGTERM or SIGINT. Apps go on without it. */
export async function runCommand(world: CommandWorld, options: CommonOptions): Promise<number> {
  const { clock, random, ids } = world;
  const config = loadAgentConfig(world.env, options);
  const appUsers = readAppUsers(config);
  // Told like every other mistake of a command, in words; two that start at once are told apart by the lock itself.
  await assertNotLocked({ path: stateLayout(config.STATE_DIR).lock, purpose: runPurpose });
  await closeStateFolder(config.STATE_DIR, appUsers.kind === "agent" ? "closed" : "open");
  if (appUsers.kind !== "agent") assertMayRunAs(appUsers, stateLayout(config.STATE_DIR).cluster);
  if (config.CGROUP_PARENT !== undefined) assertCgroupParent(config.CGROUP_PARENT);
  const logger = createLogger({ service: "agent", level: config.LOG_LEVEL, format: config.LOG_FORMAT });
  warnOfRisks(logger, appUsers);
  await noteInsightAllowance({
    path: stateLayout(config.STATE_DIR).insightAllowance,
    isAllowed: config.ALLOW_INSIGHT,
    environments: config.INSIGHT_ENVIRONMENTS,
    clock,
    logger,
  });
  const telemetry = startTelemetry({
    service: "agent",
    replica: "agent-0",
    otlpEndpoint: config.OTLP_ENDPOINT,
    traceFile: config.TRACE_FILE,
    logger,
  });
  const restart = Promise.withResolvers<number>();
  const { components, health } = createAgentService({
    config,
    onRestartNeeded: () => restart.resolve(exitCode.restart),
    createDriver: (stateDirectory, fabricId) =>
      createDriver(config, { stateDirectory, fabricId, appUsers, logger, world }),
    logger,
    telemetry,
    clock,
    random,
    ids,
  });
  return runUntilSignal(components, { logger, health, exitRequested: restart.promise });
}

/** What works, and is not how it should be. */
function warnOfRisks(logger: Logger, appUsers: AppUsers): void {
  if (process.geteuid?.() === 0 && appUsers.kind === "agent")
    logger.warn({}, "the agent is root and so are its apps: set DRAWBRIDGE_APP_USER, or run it as a user of its own");
  if (process.pid === 1)
    logger.warn({}, "the agent is process 1, which must reap orphans and it does not: use docker run --init, or tini");
}

function createDriver(
  config: AgentConfig,
  about: {
    readonly stateDirectory: string;
    readonly fabricId: string;
    readonly appUsers: AppUsers;
    readonly logger: Logger;
    readonly world: CommandWorld;
  },
): ClusterDriver {
  const { clock, random, ids } = about.world;
  const sharedPorts = sharedPortsOf(config);
  switch (config.CLUSTER_DRIVER) {
    case "process":
      return createProcessDriver({
        stateDirectory: about.stateDirectory,
        logger: about.logger.child({ component: "process-driver" }),
        publicPorts: parsePortRange(config.APP_PORT_RANGE),
        address: config.APP_LISTEN_HOST,
        appUsers: about.appUsers,
        gateways: config.GATEWAY_REPLICAS,
        reports: {
          requests: config.ALLOW_ANALYTICS,
          routeWords: config.ALLOW_ROUTE_WORDS,
          spoolBytes: config.ANALYTICS_SPOOL_BYTES,
          insight: config.ALLOW_INSIGHT
            ? { environments: config.INSIGHT_ENVIRONMENTS, redact: config.INSIGHT_REDACT }
            : undefined,
        },
        fabricId: about.fabricId,
        ...(sharedPorts !== undefined && { sharedPorts }),
        ...(config.CGROUP_PARENT !== undefined && { cgroupParent: config.CGROUP_PARENT }),
        clock,
        random,
        ids,
      });
  }
}
