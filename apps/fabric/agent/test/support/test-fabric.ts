import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { removeUnpackedBundle } from "@drawbridge/bundle";
import { chainToPem } from "@drawbridge/pki";
import { cryptoRandom, startComponents, systemClock, uuidV7Ids, type Clock } from "@drawbridge/lifecycle";
import { startTelemetry } from "@drawbridge/telemetry";
import { createTestCa, createTestLogger, tempDir, type TestCa, type TestLogger } from "@drawbridge/testkit";
import { createProcessDriver } from "../../src/cluster/process/process-driver.ts";
import { stopEverything } from "../../src/cluster/process/stop-everything.ts";
import { configSchema, type AgentConfig } from "../../src/config.ts";
import { identityMetaSchema } from "../../src/identity/identity-meta.ts";
import { createIdentityStore } from "../../src/identity/identity-store.ts";
import { createTrustStore } from "../../src/identity/trust-store.ts";
import { createAgentService, type AgentService } from "../../src/service.ts";
import { runStatusSchema, type RunStatus } from "../../src/state/run-status.ts";
import { createJsonFile } from "../../src/state/json-file.ts";
import { stateLayout, type StateLayout } from "../../src/state/state-layout.ts";
import { workerPorts } from "./worker-ports.ts";

export const fabricId = "0190b8a0-0000-7000-8000-00000000f001";
export const agentId = "0190b8a0-0000-7000-8000-00000000a001";
export const org = "acme";

/** A fabric's machine: a state folder, and agents that are started and stopped on it. */
export interface TestFabric extends AsyncDisposable {
  readonly ca: TestCa;
  readonly layout: StateLayout;
  /** Write an identity as an activation leaves it. */
  activate(
    endpoints: {
      readonly tunnel: readonly string[];
      readonly configResolver?: string;
      readonly activation?: readonly string[];
    },
    issue?: { readonly ttlSeconds?: number; readonly now?: Date },
  ): Promise<void>;
  /** Serial numbers of the certificates in use, as the files say. */
  serials(): Promise<{ readonly tunnel: string; readonly monitoring: string }>;
  startAgent(options?: StartOptions): Promise<RunningAgent>;
}

export interface StartOptions {
  readonly clock?: Clock;
  readonly config?: Partial<AgentConfig>;
}

export interface RunningAgent {
  readonly service: AgentService;
  readonly log: TestLogger;
  stop(): Promise<void>;
  /** What run-status.json says, when it fits. */
  status(fits: (status: RunStatus) => boolean): Promise<RunStatus>;
}

export async function openFabric(ca?: TestCa): Promise<TestFabric> {
  const folder = await tempDir();
  const layout = stateLayout(`${folder.path}/agent`);
  const authority = ca ?? (await createTestCa());
  const agents: RunningAgent[] = [];
  await mkdir(layout.root, { mode: 0o700 });

  return {
    ca: authority,
    layout,
    async serials() {
      const read = async (kind: "identity" | "monitoring"): Promise<string> => {
        const meta = identityMetaSchema.parse(
          JSON.parse(await readFile(join(layout[kind], "current", "meta.json"), "utf8")),
        );
        return meta.serialNumber;
      };
      return { tunnel: await read("identity"), monitoring: await read("monitoring") };
    },
    async activate(endpoints, issue = {}) {
      const files = { clock: systemClock, logger: createTestLogger().logger };
      for (const kind of ["monitoring", "identity"] as const) {
        const identity =
          kind === "identity"
            ? await authority.issueAgent({ org, fabricId, agentId }, issue)
            : await authority.issueCollector({ org, fabricId }, issue);
        const store = createIdentityStore({ directory: layout[kind], ...files });
        const generation = await store.stage({
          certificateChainPem: chainToPem(identity.chainDer),
          privateKeyPem: identity.privateKeyPem,
          meta: {
            spiffeId: identity.spiffeId,
            serialNumber: identity.serialNumber,
            notBefore: identity.notBefore.toISOString(),
            notAfter: identity.notAfter.toISOString(),
            createdAt: (issue.now ?? new Date()).toISOString(),
            fabricId,
            fabricName: "berlin",
            agentId,
            tokenId: "0190b8a0-0000-7000-8000-00000000d001",
            endpoints: {
              tunnel: [...endpoints.tunnel],
              configResolver: endpoints.configResolver ?? "https://127.0.0.1:9",
              activation: [...(endpoints.activation ?? [])],
            },
          },
        });
        await store.commit(generation);
      }
      await createTrustStore({ path: layout.trustBundle, ...files }).save(authority.trustBundle);
    },
    async startAgent(options = {}) {
      const agent = await startAgent(layout, options);
      agents.push(agent);
      return agent;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(agents.map((agent) => agent.stop()));
      await stopEverything(layout.cluster);
      await removeUnpackedBundle(layout.bundles); // read-only, which plain `rm` respects unless root runs it
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function startAgent(layout: StateLayout, options: StartOptions): Promise<RunningAgent> {
  const log = createTestLogger();
  const clock = options.clock ?? systemClock;
  const config: AgentConfig = {
    ...configSchema.parse({
      STATE_DIR: layout.root,
      OPS_LISTEN: "127.0.0.1:0",
      APP_PORT_RANGE: `${workerPorts.from}-${workerPorts.to}`,
    }),
    ...options.config,
  };
  const { logger } = log;
  const service = createAgentService({
    config,
    onRestartNeeded: () => undefined,
    createDriver: (stateDirectory, driverFabricId) =>
      // What the driver waits for are real processes, so its time is always real.
      createProcessDriver({
        fabricId: driverFabricId,
        stateDirectory,
        publicPorts: workerPorts,
        clock: systemClock,
        random: cryptoRandom,
        ids: uuidV7Ids,
        logger,
      }),
    logger,
    telemetry: startTelemetry({ service: "agent", replica: "agent-0", logger }),
    clock,
    random: cryptoRandom,
    ids: uuidV7Ids,
  });
  await startComponents(service.components, new AbortController().signal);
  let isStopped = false;
  return {
    service,
    log,
    async stop() {
      if (isStopped) return;
      isStopped = true;
      for (const component of service.components.toReversed()) await component.stop(AbortSignal.timeout(10_000));
    },
    async status(fits) {
      const file = createJsonFile({ path: layout.runStatus, schema: runStatusSchema, clock: systemClock, logger });
      for (;;) {
        const status = await file.read();
        if (status && fits(status)) return status;
        await systemClock.sleep(50);
      }
    },
  };
}
