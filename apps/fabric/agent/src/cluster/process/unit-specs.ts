import { createHash } from "node:crypto";
import { join } from "node:path";
import {
  frontArgument,
  gatewayOwnDirectory,
  gatewayPeersDirectory,
  type DeploymentGates,
  type UnitSpec,
} from "@drawbridge/app-routes";
import { levelAtRunTime } from "@drawbridge/policies/gatekeeper-level";
import { agentVersion } from "../../agent-version.ts";
import type { DesiredApp } from "../cluster-driver.ts";
import type { RunAs } from "./app-users.ts";
import type { ResolvedOptions } from "./driver-options.ts";
import { readRestartOrder } from "./gateways/restart-order.ts";

/**
 * Two specs with the same template are served by the same replicas: scaling or another port replaces nothing. Another user does:
 * what runs as the wrong one is not left running.
 */
export function templateDigest(app: DesiredApp, runAs: RunAs | undefined): string {
  const user = runAs === undefined ? [] : [`${runAs.uid}:${runAs.gid}`];
  const template = JSON.stringify([String(app.revision), app.restartNonce, app.bundleDigest, ...user]);
  return `sha256:${createHash("sha256").update(template).digest("hex")}`;
}

export function replicaSpec(
  app: DesiredApp,
  options: ResolvedOptions & {
    readonly replicaId: string;
    /** Where the app's user finds the bundle. */
    readonly bundleDirectory: string;
    readonly runAs: RunAs | undefined;
    readonly gates: DeploymentGates;
  },
): UnitSpec {
  const { manifest } = app;
  const { runAs } = options;
  const firstPort = manifest.ports[0]?.name ?? ""; // the manifest's schema asks for at least one
  return {
    kind: "replica",
    unitId: options.replicaId,
    appId: app.appId,
    revision: String(app.revision),
    templateDigest: templateDigest(app, runAs),
    createdAt: options.clock.now(),
    command: manifest.runtime.command,
    workingDirectory: options.bundleDirectory,
    environment: { ...app.environment, DRAWBRIDGE_APP: app.name, DRAWBRIDGE_VERSION: manifest.version },
    ports: manifest.ports.map(({ name, env, protocol }) => ({ name, variable: env, protocol })),
    portRange: options.replicaPorts,
    probe: { kind: "http", portName: manifest.readiness.port ?? firstPort, path: manifest.readiness.path },
    metrics: manifest.metrics && {
      portName: manifest.metrics.port ?? firstPort,
      path: manifest.metrics.path,
      names: manifest.metrics.names,
    },
    memoryLimitBytes: manifest.resources.memoryMiB * 1_048_576,
    cpuLimitMillis: manifest.resources.cpuMillis,
    cgroupParent: options.cgroupParent,
    stopGraceMs: manifest.drainSeconds * 1_000,
    runAs,
    logs: options.logs,
    restart: options.restart,
    gates: options.gates,
  };
}

/** What the gates of a deployment that begins now are for, and their level. */
export function gatesOf(app: DesiredApp): DeploymentGates & { readonly problem: string | undefined } {
  const { runtimeVersion } = app.manifest.runtime;
  const { level, source, error } = levelAtRunTime(runtimeVersion, app.gatekeeper.value, app.gatekeeper.origin);
  const apis = app.manifest.apis.map(({ name, version, basePath, resources }) => ({
    name,
    version,
    basePath,
    resources,
  }));
  return { runtimeVersion, level, levelSource: source, apis, problem: error };
}

/** `directory`: what all gateways share. */
export function gatewaySpec(
  options: ResolvedOptions & { readonly directory: string; readonly unitId: string },
): UnitSpec {
  const { directory, unitId } = options;
  return {
    kind: "gateway",
    unitId,
    appId: options.ids.next(), // its processes are found by it, and every fabric of the machine has a gateway-0
    revision: "0",
    templateDigest: gatewayTemplate(options, directory),
    createdAt: options.clock.now(),
    command: [process.execPath, ...runtimeFlags, options.entryPoints.gateway],
    workingDirectory: options.stateDirectory,
    environment: {
      ...compileCache(options.stateDirectory),
      ...gatewaySettings(options, directory),
      DRAWBRIDGE_GATEWAY_ID: unitId,
      DRAWBRIDGE_OWN_DIR: gatewayOwnDirectory(directory, unitId),
    },
    ports: [],
    portRange: options.replicaPorts,
    probe: { kind: "none" },
    memoryLimitBytes: undefined,
    cpuLimitMillis: undefined,
    cgroupParent: undefined,
    stopGraceMs: gatewayGraceMs,
    runAs: undefined,
    logs: options.logs,
    restart: serverRestart,
  };
}

/** What all gateways of the fabric are told. */
function gatewaySettings(
  { fabricId, reports }: Pick<ResolvedOptions, "fabricId" | "reports">,
  directory: string,
): Readonly<Record<string, string>> {
  return {
    DRAWBRIDGE_STATE_DIR: directory,
    DRAWBRIDGE_PEERS_DIR: gatewayPeersDirectory(directory),
    ...(fabricId !== undefined && { DRAWBRIDGE_FABRIC_ID: fabricId }),
    ...(!reports.requests && { DRAWBRIDGE_ALLOW_ANALYTICS: "false" }),
    ...(reports.routeWords && { DRAWBRIDGE_ALLOW_ROUTE_WORDS: "true" }),
    ...(reports.insight !== undefined && insightSettings(reports.insight)),
    ...(reports.spoolBytes !== undefined && { DRAWBRIDGE_ANALYTICS_SPOOL_BYTES: String(reports.spoolBytes) }),
  };
}

function insightSettings({
  environments,
  redact,
}: NonNullable<ResolvedOptions["reports"]["insight"]>): Readonly<Record<string, string>> {
  return {
    DRAWBRIDGE_ALLOW_INSIGHT: "true",
    ...(environments !== undefined && { DRAWBRIDGE_INSIGHT_ENVIRONMENTS: environments.join(",") }),
    ...(redact !== undefined && { DRAWBRIDGE_INSIGHT_REDACT: redact.join(",") }),
  };
}

/** Of the program and its settings, and of the last request to restart: gateways of another template are replaced. */
export function gatewayTemplate(
  options: Pick<ResolvedOptions, "entryPoints" | "fabricId" | "reports">,
  directory: string,
): string {
  const program = [agentVersion, process.version, process.execPath, ...runtimeFlags, options.entryPoints.gateway];
  const template = JSON.stringify([program, gatewaySettings(options, directory), readRestartOrder(directory)]);
  return `sha256:${createHash("sha256").update(template).digest("hex")}`;
}

/** By then every app has had its own time to drain. */
export const gatewayGraceMs = 35_000;
/** What answers at an app's port is back before its clients have given up. */
const serverRestart = { baseMs: 50, capMs: 5_000, resetAfterMs: 10_000 } as const;

export function frontSpec(
  app: DesiredApp,
  options: ResolvedOptions & { readonly unitId: string; readonly directory: string },
): UnitSpec {
  return {
    kind: "front",
    unitId: options.unitId,
    appId: app.appId,
    revision: "0",
    templateDigest: "front",
    createdAt: options.clock.now(),
    command: [process.execPath, ...runtimeFlags, options.entryPoints.front, frontArgument(options.directory)],
    workingDirectory: options.stateDirectory,
    environment: compileCache(options.stateDirectory),
    ports: [],
    portRange: options.replicaPorts,
    probe: { kind: "none" },
    memoryLimitBytes: undefined,
    cpuLimitMillis: undefined,
    cgroupParent: undefined,
    stopGraceMs: app.strategy.drainTimeoutSeconds * 1_000,
    runAs: undefined,
    logs: options.logs,
    restart: serverRestart,
  };
}

export function frontUnitId(port: number): string {
  return `front-${port}`;
}

/** A signal must not open a debugger on a process that holds secrets. */
export const runtimeFlags = ["--disable-sigusr1"] as const;

export function compileCacheDirectory(stateDirectory: string): string {
  return join(stateDirectory, "compile-cache");
}

/** Compiled once for all shims and fronts: a third of the start-up time, and without the memory that the compiler takes. */
export function compileCache(stateDirectory: string): Readonly<Record<string, string>> {
  return { NODE_COMPILE_CACHE: compileCacheDirectory(stateDirectory) };
}
