import { createHash } from "node:crypto";
import { join } from "node:path";
import { frontArgument, type DeploymentGates, type UnitSpec } from "@drawbridge/app-routes";
import { levelAtRunTime } from "@drawbridge/policies/gatekeeper-level";
import type { DesiredApp } from "../cluster-driver.ts";
import type { RunAs } from "./app-users.ts";
import type { ResolvedOptions } from "./driver-options.ts";

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
    ports: manifest.ports.map(({ name, env }) => ({ name, variable: env })),
    portRange: options.replicaPorts,
    probe: { kind: "http", portName: manifest.readiness.port ?? firstPort, path: manifest.readiness.path },
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

export const gatewayId = "gateway-0";
export function gatewaySpec(options: ResolvedOptions & { readonly directory: string }): UnitSpec {
  return {
    kind: "gateway",
    unitId: gatewayId,
    appId: options.ids.next(), // its processes are found by it, and every fabric of the machine has a gateway-0
    revision: "0",
    templateDigest: "gateway",
    createdAt: options.clock.now(),
    command: [process.execPath, ...runtimeFlags, options.entryPoints.gateway],
    workingDirectory: options.stateDirectory,
    environment: {
      ...compileCache(options.stateDirectory),
      DRAWBRIDGE_STATE_DIR: options.directory,
      DRAWBRIDGE_GATEWAY_ID: gatewayId,
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

/** By then every app has had its own time to drain. */
const gatewayGraceMs = 35_000;
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
