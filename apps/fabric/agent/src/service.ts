import { mkdir } from "node:fs/promises";
import { createAlertBoard } from "./alerts/alert-board.ts";
import { agentVersion } from "./agent-version.ts";
import type { ClusterDriver } from "./cluster/cluster-driver.ts";
import type { AgentConfig } from "./config.ts";
import { createEgressGate } from "./egress/egress-gate.ts";
import { createEgressLedger } from "./egress/egress-ledger.ts";
import { createFabricService, type FabricService } from "./fabric-service.ts";
import { createIdentityStore } from "./identity/identity-store.ts";
import { createTrustStore } from "./identity/trust-store.ts";
import { waitForActivation } from "./identity/wait-for-activation.ts";
import { readRunStatus } from "./ops/read-run-status.ts";
import { createRunStatusWriter } from "./ops/run-status-writer.ts";
import { createRecovery } from "./recovery/create-recovery.ts";
import { createRecoveryClient } from "./recovery/recovery-client.ts";
import { createAgentStateStore } from "./state/agent-state.ts";
import { createJsonFile } from "./state/json-file.ts";
import { runStatusSchema } from "./state/run-status.ts";
import { stateLayout } from "./state/state-layout.ts";
import { createStateLock } from "./state/state-lock.ts";
import {
  createHealth,
  startComponents,
  type Clock,
  type Component,
  type Health,
  type IdSource,
  type Random,
} from "@drawbridge/lifecycle";
import { createOpsServer } from "@drawbridge/rpc";
import type { Logger, Telemetry } from "@drawbridge/telemetry";

export interface AgentDeps {
  readonly config: AgentConfig;
  /** A new process might do better than this one (design R13). */
  readonly onRestartNeeded: () => void;
  readonly createDriver: (stateDirectory: string, fabricId: string) => ClusterDriver;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: IdSource;
}

export interface AgentService {
  /** In start order; stop runs it backwards. */
  readonly components: readonly Component[];
  readonly health: Health;
  /** Where the ops listener is; after the start. */
  opsAddress(): { readonly host: string; readonly port: number };
}

/** `drawbridge-agent run`: what works without an identity starts at once, the rest as soon as there is one. */
export function createAgentService(deps: AgentDeps): AgentService {
  const { config, logger, telemetry, clock, random, ids } = deps;
  const layout = stateLayout(config.STATE_DIR);
  const startedAt = clock.now();
  const health = createHealth();
  const alerts = createAlertBoard({ clock });
  const files = { clock, logger };
  const identities = createIdentityStore({ directory: layout.identity, ...files });
  const trust = createTrustStore({ path: layout.trustBundle, ...files });
  const state = createAgentStateStore({ path: layout.state, ...files });
  const ledger = createEgressLedger({ directory: layout.egress, writer: "run", ...files });
  const ops = createOpsServer({ listen: config.OPS_LISTEN, health, telemetry, logger });
  let fabric: FabricService | undefined;

  const stateFolder: Component = {
    name: "state-folder",
    start: async () => {
      await mkdir(layout.root, { recursive: true, mode: 0o700 });
      await state.load();
    },
    stop: () => Promise.resolve(),
  };

  const core = createDeferred({
    name: "fabric",
    logger,
    prepare: async (signal) => {
      const identity = await waitForActivation(
        { identities, trust, stateDirectory: config.STATE_DIR, clock, logger },
        signal,
      );
      const { fabricId, fabricName, agentId } = identity.meta;
      logger.info({ fabric_id: fabricId, fabric_name: fabricName, agent_id: agentId }, "activated, starting");
      const driver = deps.createDriver(layout.cluster, fabricId);
      const monitoring = createIdentityStore({ directory: layout.monitoring, ...files });
      const created = createFabricService({
        config,
        layout,
        identity,
        identities,
        trust,
        state,
        ledger,
        driver,
        monitoring,
        recovery: createRecovery({
          layout,
          identities,
          monitoring,
          trust,
          client: createRecoveryClient({
            proxy: config.HTTPS_PROXY,
            egress: createEgressGate({ ledger, payload: "refused" }),
            measuredSkewMs: () => fabric?.skewMs(),
            clock,
            logger,
          }),
          clock,
        }),
        onRestartNeeded: deps.onRestartNeeded,
        alerts,
        logger,
        metrics: telemetry.metrics,
        clock,
        random,
        ids,
      });
      fabric = created;
      return created.components;
    },
  });

  health.register("identity", () => (fabric ? undefined : "not activated: run `drawbridge-agent activate`"));
  health.register("tunnel", () => {
    const tunnel = fabric?.tunnel.state();
    if (fabric === undefined || tunnel === undefined) return "not activated";
    if (tunnel.status === "connected" || fabric.desired.current() !== undefined) return undefined; // offline is fine with a wish
    return "message" in tunnel ? tunnel.message : "connecting for the first time";
  });

  const status = createRunStatusWriter({
    file: createJsonFile({ path: layout.runStatus, schema: runStatusSchema, ...files }),
    read: () =>
      readRunStatus({
        agentVersion,
        startedAt,
        now: clock.now(),
        opsAddress: ops.address(),
        driver: config.CLUSTER_DRIVER,
        logsAllowed: config.ALLOW_LOGS,
        alerts: alerts.list(),
        fabric,
      }),
    ...files,
  });

  return {
    components: [telemetry, stateFolder, createStateLock({ path: layout.lock, clock }), ops, ledger, status, core],
    health,
    opsAddress: () => ops.address(),
  };
}

/** Components that can only be made later: `start` returns at once, `stop` stops what was started by then. */
function createDeferred(options: {
  readonly name: string;
  readonly logger: Logger;
  readonly prepare: (signal: AbortSignal) => Promise<readonly Component[]>;
}): Component {
  const stopping = new AbortController();
  let started: readonly Component[] = [];
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    const components = await options.prepare(stopping.signal);
    await startComponents(components, stopping.signal);
    started = components;
  }

  return {
    name: options.name,
    start: () => {
      const attempt = run();
      running = attempt.catch(() => undefined); // for `stop`
      // Without this part the process is of no use: an unhandled rejection ends it, and whoever supervises it sees that.
      void attempt.catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
      return Promise.resolve();
    },
    stop: async (deadline) => {
      stopping.abort(new Error(`${options.name} is stopping`));
      await running;
      for (const component of started.toReversed()) await component.stop(deadline);
    },
  };
}
