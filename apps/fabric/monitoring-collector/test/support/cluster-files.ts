import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  appRecordPath,
  appsDirectory,
  initialUnitState,
  processRef,
  trafficPath,
  unitPaths,
  writeStateFile,
  writeTraffic,
  writeUnitSpec,
  type ReplicaTraffic,
  type UnitPaths,
} from "@drawbridge/app-routes";

/** A program of a replica: what it does until it is ended. */
export type Program = "idle" | "burn" | "burn-in-children" | "hold-64-mib" | "tell-metrics";

const programs: Readonly<Record<Program, string>> = {
  idle: "setInterval(() => {}, 1000)",
  burn: "setInterval(() => { for (const end = Date.now() + 10; Date.now() < end; ); }, 20)",
  "burn-in-children": `const { spawnSync } = require("node:child_process");
    for (;;) spawnSync(process.execPath, ["-e", "for (const end = Date.now() + 300; Date.now() < end; );"]);`,
  // Ten requests more at each look.
  "tell-metrics": `let looks = 0;
    require("node:http").createServer((request, response) => {
      looks += 1;
      const family = "http_server_request_duration_seconds";
      const well = 'http_request_method="GET",http_response_status_code="200",user="canary-4711"';
      const failed = 'http_request_method="GET",http_response_status_code="500"';
      response.end([
        "# TYPE " + family + " histogram",
        family + "_count{" + well + "} " + 9 * looks,
        family + "_sum{" + well + "} " + 0.9 * looks,
        family + "_count{" + failed + "} " + looks,
        family + "_sum{" + failed + "} " + 0.1 * looks,
        "# TYPE orders_placed counter",
        'orders_placed_total{customer="canary-4711"} ' + looks,
        "canary_4711_total " + looks,
        "# EOF\\n",
      ].join("\\n"));
    }).listen(Number(process.env.PORT), "127.0.0.1");`,
  "hold-64-mib": "globalThis.held = Buffer.alloc(64 * 1048576, 1); setInterval(() => {}, 1000)",
};

export interface Replica {
  readonly pid: number;
  kill(): Promise<void>;
}

/** What an agent's process driver keeps on disk of its apps, written with its own functions, and real processes. */
export interface ClusterFiles extends AsyncDisposable {
  createApp(name: string, environment: string): string;
  /** A real process in a group of its own, as a shim starts it. */
  startReplica(appId: string, replicaId: string, program: Program, memoryLimitBytes?: number): Replica;
  /** One whose program tells metrics of its own at this port. */
  startTelling(appId: string, replicaId: string, port: number): Replica;
  /** What the front of an app has counted. */
  count(appId: string, replicas: readonly Omit<ReplicaTraffic, "appId">[]): void;
}

export function createClusterFiles(stateDir: string): ClusterFiles {
  const cluster = join(stateDir, "cluster");
  const started: ChildProcess[] = [];
  const directoryOf = (appId: string): string => join(appsDirectory(cluster), appId);
  function start(
    appId: string,
    replicaId: string,
    of: { readonly program: Program; readonly memoryLimitBytes?: number | undefined; readonly port?: number },
  ): Replica {
    const env = of.port === undefined ? process.env : { ...process.env, PORT: String(of.port) };
    const child = spawn(process.execPath, ["-e", programs[of.program]], { detached: true, stdio: "ignore", env });
    started.push(child);
    const pid = child.pid ?? 0;
    const paths = unitPaths(join(directoryOf(appId), "replicas", replicaId));
    mkdirSync(paths.directory, { recursive: true });
    writeSpec(paths, { appId, replicaId, memoryLimitBytes: of.memoryLimitBytes, tells: of.port !== undefined });
    writeStateFile(paths.state, {
      ...initialUnitState,
      app: processRef(pid),
      phase: "ready",
      startedAt: new Date(),
      ports: of.port === undefined ? {} : { http: of.port },
    });
    return {
      pid,
      kill: async () => {
        const gone = once(child, "exit");
        process.kill(-pid, "SIGKILL");
        await gone;
      },
    };
  }
  return {
    createApp: (name, environment) => {
      const appId = randomUUID();
      mkdirSync(directoryOf(appId), { recursive: true });
      writeStateFile(appRecordPath(directoryOf(appId)), { appId, name, environmentName: environment });
      return appId;
    },
    startReplica: (appId, replicaId, program, memoryLimitBytes) =>
      start(appId, replicaId, { program, memoryLimitBytes }),
    startTelling: (appId, replicaId, port) => start(appId, replicaId, { program: "tell-metrics", port }),
    count: (appId, replicas) => {
      const front = join(directoryOf(appId), "fronts", "front-18000");
      mkdirSync(front, { recursive: true });
      const counted = replicas.map((replica) => Object.assign(replica, { appId }));
      writeTraffic(trafficPath(front), { since: new Date(), replicas: counted });
    },
    [Symbol.asyncDispose]: () => {
      for (const { pid = 0, exitCode, signalCode } of started) {
        if (exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
      }
      return Promise.resolve();
    },
  };
}

function writeSpec(
  paths: UnitPaths,
  of: {
    readonly appId: string;
    readonly replicaId: string;
    readonly memoryLimitBytes: number | undefined;
    readonly tells: boolean;
  },
): void {
  writeUnitSpec(paths, {
    kind: "replica",
    unitId: of.replicaId,
    appId: of.appId,
    revision: "1",
    templateDigest: "sha256:0",
    createdAt: new Date(),
    command: ["node"],
    workingDirectory: paths.directory,
    environment: { DRAWBRIDGE_VERSION: "2.1.0" },
    ports: [],
    portRange: { from: 1, to: 1 },
    probe: { kind: "none" },
    ...(of.tells && { metrics: { portName: "http", path: "/metrics", names: ["orders_placed_total"] } }),
    memoryLimitBytes: of.memoryLimitBytes,
    cpuLimitMillis: undefined,
    cgroupParent: undefined,
    stopGraceMs: 1_000,
    runAs: undefined,
    logs: { maxFileBytes: 1, maxFiles: 1 },
    restart: { baseMs: 1, capMs: 1, resetAfterMs: 1 },
  });
}
