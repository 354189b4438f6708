import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  describePortHolder,
  frontConfigPath,
  unitPaths,
  writeEndpoints,
  writeFrontConfig,
} from "@drawbridge/app-routes";
import { isPortFree } from "../../shim/choose-ports.ts";
import type { DesiredApp } from "../cluster-driver.ts";
import { openFolderTo, placeBundle, removeUnusedBundles, resolveRunAs } from "./app-access.ts";
import { appPaths, readAppRecord, unitDirectory, writeAppRecord, type AppPaths } from "./app-folder.ts";
import type { RunAs } from "./app-users.ts";
import { assertCgroupParent } from "./check-cgroup.ts";
import type { CurrentApp, CurrentFront, CurrentReplica } from "./current-app.ts";
import { deploymentGates, deploymentsOf } from "./deployments.ts";
import { frontError, gatewayError, rolloutError, translateWriteError } from "./driver-errors.ts";
import type { ResolvedOptions } from "./driver-options.ts";
import { createUnitFolder, startShim, unfinishedPrefix } from "./launch-unit.ts";
import type { Gateway } from "./gateway-unit.ts";
import { planSteps, type DesiredRollout, type FrontFailure, type Step } from "./plan-steps.ts";
import { resolvePublicPort, updateAppRecord } from "./public-port.ts";
import { readCurrentApp } from "./read-current-app.ts";
import { signalStop, terminateUnit, writeWish } from "./terminate-unit.ts";
import { frontSpec, frontUnitId, replicaSpec, templateDigest } from "./unit-specs.ts";

const pollMs = 50;
/** Time for an app that never served to end on SIGTERM. */
const failedGraceMs = 2_000;

type Executors = { readonly [A in Step["action"]]: (step: Extract<Step, { action: A }>) => Promise<void> };

/*
 * Invariants: one convergence at a time per app (the driver sees to it). Nothing is remembered between steps that is not on
 * disk or in the process table, so that it can end after any step and be taken up by another agent.
 */
export async function convergeApp(
  app: DesiredApp,
  options: ResolvedOptions & { readonly gateway: Gateway },
  signal: AbortSignal,
): Promise<void> {
  const paths = appPaths(options.stateDirectory, app.appId);
  const runAs = await openAppFolder(app, paths, options);
  const takenPorts = new Set<number>();
  let desired = await desiredRollout(app, paths, { ...options, without: takenPorts, runAs });
  for (;;) {
    signal.throwIfAborted();
    if (desired.port !== undefined && takenPorts.has(desired.port)) {
      desired = await desiredRollout(app, paths, { ...options, without: takenPorts, runAs });
    }
    const current = readCurrentApp(paths);
    const steps = planSteps(current, desired, options.clock.now());
    if (steps.length === 0) break;
    const executors = createExecutors({ app, paths, options, current, takenPorts, runAs, signal });
    await executeAll(executors, steps);
  }
  updateAppRecord(paths, {
    name: app.name,
    environmentName: app.environmentName,
    appliedSpecDigest: app.specDigest,
    appliedGeneration: app.generation,
    ...(app.desiredState === "running" && app.publicPort !== 0 && { port: app.publicPort }),
    ...(app.desiredState === "running" && { isPortInUse: true }),
  });
  await removeUnusedBundles(paths);
}

/** The app's folder and record, and the user to whom the folder is open. */
async function openAppFolder(app: DesiredApp, paths: AppPaths, options: ResolvedOptions): Promise<RunAs | undefined> {
  try {
    for (const folder of [paths.directory, paths.replicas, paths.fronts]) {
      await mkdir(folder, { recursive: true, mode: 0o711 });
      await removeUnfinished(folder);
    }
    if (readAppRecord(paths) === undefined) {
      writeAppRecord(paths, {
        appId: app.appId,
        name: app.name,
        environmentName: app.environmentName,
        port: undefined,
        isPortInUse: false,
        uid: undefined,
        appliedSpecDigest: "",
        appliedGeneration: 0n,
      });
    }
    const runAs = resolveRunAs(app.appId, paths, options);
    openFolderTo(runAs, paths);
    return runAs;
  } catch (error) {
    throw translateWriteError(error, paths.directory);
  }
}

/** Unit folders that an agent was making when it died. */
async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(unfinishedPrefix)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function desiredRollout(
  app: DesiredApp,
  paths: AppPaths,
  options: ResolvedOptions & { readonly without: ReadonlySet<number>; readonly runAs: RunAs | undefined },
): Promise<DesiredRollout> {
  const isRunning = app.desiredState === "running";
  return {
    templateDigest: templateDigest(app, options.runAs),
    replicas: isRunning ? app.replicas : 0,
    port: isRunning ? await resolvePublicPort(app, paths, options) : undefined,
    server: needsGateway(app) ? "gateway" : "front",
    hosts: app.hosts,
    maxSurge: Math.max(1, app.strategy.maxSurge),
    readyTimeoutMs: app.strategy.readyTimeoutSeconds * 1_000,
    keepStopped: options.keepStopped,
  };
}

/** A front knows neither policies, nor hosts, nor HTTP/2. */
function needsGateway({ manifest, hosts }: DesiredApp): boolean {
  return manifest.apis.length > 0 || hosts.length > 0 || manifest.ports[0]?.protocol === "h2c";
}

/** In order, but replicas start side by side. */
async function executeAll(executors: Executors, steps: readonly Step[]): Promise<void> {
  const starts = steps.filter((step) => step.action === "start_replica");
  for (const started of await Promise.allSettled(starts.map((step) => execute(executors, step)))) {
    if (started.status === "rejected") throw started.reason;
  }
  for (const step of steps) if (step.action !== "start_replica") await execute(executors, step);
}

/** One call of the executor that the step's own action names. */
async function execute<A extends Step["action"]>(
  executors: Executors,
  step: Extract<Step, { action: A }>,
): Promise<void> {
  const action: A = step.action;
  // The map's type ties each action to its step; the compiler cannot follow that through a union.
  const executor = executors[action] as (step: Extract<Step, { action: A }>) => Promise<void>;
  await executor(step);
}

function createExecutors(context: {
  readonly app: DesiredApp;
  readonly paths: AppPaths;
  readonly options: ResolvedOptions & { readonly gateway: Gateway };
  readonly current: CurrentApp;
  readonly takenPorts: Set<number>;
  readonly runAs: RunAs | undefined;
  readonly signal: AbortSignal;
}): Executors {
  const { app, paths, options, current, runAs, signal } = context;
  const { clock } = options;
  const logger = { app_id: app.appId, revision: String(app.revision) };
  const template = templateDigest(app, runAs);
  const drainMs = app.strategy.drainTimeoutSeconds * 1_000;

  function writing<T>(path: string, write: () => T): T {
    try {
      return write();
    } catch (error) {
      throw translateWriteError(error, path);
    }
  }
  function publish(replicaIds: readonly string[]): void {
    const sequence = current.endpoints.sequence + 1;
    const deployments = deploymentsOf(app, { replicas: current.replicas, replicaIds, template });
    writing(paths.endpoints, () => writeEndpoints(paths.endpoints, { sequence, replicaIds, deployments }));
  }
  function isKnownToClients(port: number): boolean {
    const record = readAppRecord(paths);
    return record?.port === port && record.isPortInUse;
  }
  /** Throws unless the next plan has another port. */
  function giveUpPort(port: number, why: FrontFailure): void {
    context.takenPorts.add(port);
    if (app.publicPort !== 0 || isKnownToClients(port)) throw frontError(why, { name: app.name, port });
  }
  function terminate(kind: "replica" | "front", unitId: string, graceMs: number): Promise<void> {
    return terminateUnit({ directory: unitDirectory(paths, kind, unitId), appId: app.appId, unitId, graceMs, clock });
  }
  /** SIGTERM now, SIGKILL when its grace is up; asked a second time the deadline stays. */
  function stop(kind: "replica" | "front", unit: CurrentReplica | CurrentFront | undefined): void {
    if (unit === undefined) return; // gone since the plan was made
    const directory = unitDirectory(paths, kind, unit.unitId);
    if (unit.wish?.wish !== "stop") {
      const since = clock.now();
      const deadlineAt = new Date(since.getTime() + unit.stopGraceMs);
      writing(directory, () => writeWish(unitPaths(directory), { wish: "stop", since, deadlineAt }));
    }
    signalStop(directory);
  }

  return {
    recover_unit: async ({ kind, unitId }) => {
      options.logger.warn({ ...logger, replica_id: unitId }, "supervisor died, starting another");
      const replica = current.replicas.find((candidate) => candidate.unitId === unitId);
      // Of an older template the secrets are not known any more: what runs is watched, but not started again.
      const isWatchedOnly = kind === "replica" && replica?.templateDigest !== templateDigest(app, runAs);
      const secrets = kind === "front" ? {} : app.secrets;
      await startShim(unitDirectory(paths, kind, unitId), isWatchedOnly ? undefined : secrets, options);
    },
    start_front: async ({ port }) => {
      const unitId = frontUnitId(port);
      const directory = unitDirectory(paths, "front", unitId);
      await rm(directory, { recursive: true, force: true });
      await createUnitFolder(directory, frontSpec(app, { ...options, unitId, directory }), (folder) =>
        writeFrontConfig(frontConfigPath(folder.directory), {
          appName: app.name,
          address: options.address,
          port,
          endpointsPath: paths.endpoints,
          replicasDirectory: paths.replicas,
        }),
      );
      await startShim(directory, {}, options);
      options.logger.info({ ...logger, port }, "front started");
    },
    stop_front: async ({ unitId }) =>
      stop(
        "front",
        current.fronts.find((front) => front.unitId === unitId),
      ),
    fail_front: async ({ unitId, port, why }) => {
      // A front at its old port goes on trying, so that the app is back as soon as the port is.
      if (!isKnownToClients(port)) await terminate("front", unitId, 0);
      giveUpPort(port, why);
    },
    start_gateway: () => options.gateway.start(),
    route_app: async ({ port }) => {
      const isOurs =
        current.route?.port === port || current.fronts.some((front) => front.port === port && front.hasProcess);
      if (!isOurs && !(await isPortFree(port, options.address))) {
        giveUpPort(port, { kind: "port_in_use", holder: describePortHolder(port) ?? "" });
        return;
      }
      publish(current.endpoints.replicaIds); // by deployment, which an earlier agent may not have written
      const { appId, name, environmentName } = app;
      options.gateway.route({
        appId,
        appName: name,
        environment: environmentName,
        address: options.address,
        port,
        hosts: app.hosts,
        endpointsPath: paths.endpoints,
        replicasDirectory: paths.replicas,
        statusPath: paths.gatewayStatus,
      });
      options.logger.info({ ...logger, port }, "app routed through the gateway");
    },
    unroute_app: () => options.gateway.unroute(app.appId),
    fail_route: async ({ port, why }) => {
      if (why.kind === "gateway_down") {
        throw gatewayError(why.lastExit, { name: app.name, log: paths.gateway.units });
      }
      if (!isKnownToClients(port)) await options.gateway.unroute(app.appId);
      giveUpPort(port, why);
    },
    start_replica: async () => {
      const replicaId = `r${app.revision}-${options.ids.next().slice(-8)}`;
      const directory = unitDirectory(paths, "replica", replicaId);
      const gates = deploymentGates(app, { replicas: current.replicas, template }, options.logger);
      if (options.cgroupParent !== undefined) assertCgroupParent(options.cgroupParent);
      const bundleDirectory = await placeBundle(app, paths, runAs).catch((error: unknown) => {
        throw translateWriteError(error, paths.bundles);
      });
      await createUnitFolder(directory, replicaSpec(app, { ...options, replicaId, bundleDirectory, runAs, gates }));
      await startShim(directory, app.secrets, options);
      options.logger.info({ ...logger, replica_id: replicaId }, "replica started");
    },
    publish_endpoints: async ({ replicaIds }) => publish(replicaIds),
    drain_replica: async ({ replicaId }) => {
      const directory = unitDirectory(paths, "replica", replicaId);
      const since = clock.now();
      const deadlineAt = new Date(since.getTime() + drainMs);
      writing(directory, () => writeWish(unitPaths(directory), { wish: "drain", since, deadlineAt }));
    },
    stop_replica: async ({ replicaId }) => {
      stop(
        "replica",
        current.replicas.find((replica) => replica.unitId === replicaId),
      );
    },
    kill_unit: ({ kind, unitId }) => terminate(kind, unitId, 0),
    discard_unit: ({ kind, unitId }) => rm(unitDirectory(paths, kind, unitId), { recursive: true, force: true }),
    fail_rollout: async ({ replicaIds, why }) => {
      publish(current.endpoints.replicaIds.filter((replicaId) => !replicaIds.includes(replicaId)));
      await Promise.all(replicaIds.map((replicaId) => terminate("replica", replicaId, failedGraceMs)));
      const { readyTimeoutSeconds } = app.strategy;
      const readinessPath = app.manifest.readiness.path;
      throw rolloutError(why, { name: app.name, revision: app.revision, readyTimeoutSeconds, readinessPath });
    },
    wait: () => clock.sleep(pollMs, signal),
  };
}
