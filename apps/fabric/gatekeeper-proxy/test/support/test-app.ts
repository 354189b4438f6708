import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import {
  endpointsPath,
  gatewayPaths,
  initialUnitState,
  processRef,
  gatewayStatusPath,
  readFrontStatus,
  unitPaths,
  writeEndpoints,
  writeRoutes,
  writeStateFile,
  writeUnitSpec,
  type AppProtocol,
  type BoundApi,
  type DeploymentEndpoints,
  type FrontStatus,
  type GatekeeperLevel,
  type HostPath,
  type SharedPorts,
} from "@drawbridge/app-routes";
import { freePort } from "@drawbridge/testkit";

/** A deployment of the app, with one replica that answers with its key and counts what reaches it. */
export interface TestDeployment {
  readonly key: string;
  readonly level: GatekeeperLevel;
  readonly apis: readonly BoundApi[];
  /** A replica of the test's own; without it one is made. */
  readonly replica?: { readonly port: number; readonly protocol: AppProtocol };
}

export interface Arrival {
  readonly deployment: string;
  readonly path: string;
  /** Header x-set, which the policies of the test put there; "" without. */
  readonly set: string;
}

export interface TestApp extends AsyncDisposable {
  readonly appId: string;
  readonly appName: string;
  readonly url: string;
  /** All requests that reached a replica. */
  readonly arrived: readonly Arrival[];
  /** These deployments and no others, newest first. */
  deploy(...deployments: readonly TestDeployment[]): Promise<void>;
  status(): FrontStatus | undefined;
}

/** What the driver does: an app's folder with endpoints, unit folders of replicas, and the gateway's routes. */
export class TestFabric implements AsyncDisposable {
  readonly directory: string;
  readonly #stateDirectory: string;
  readonly #apps: (TestApp & { readonly port: number; readonly folder: string })[] = [];
  #sequence = 0;
  /** What the operator set, and what apps asked for, by name; `writeRoutes` takes them into the file. */
  shared: SharedPorts | undefined;
  readonly hosts = new Map<string, readonly HostPath[]>();

  constructor(stateDirectory: string) {
    this.#stateDirectory = stateDirectory;
    this.directory = gatewayPaths(join(stateDirectory, "gateway")).directory;
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
  }

  get feedSocket(): string {
    return gatewayPaths(this.directory).feedSocket;
  }

  async addApp(appName: string): Promise<TestApp> {
    const port = await freePort();
    const folder = join(this.#stateDirectory, "apps", appName);
    const replicasDirectory = join(folder, "replicas");
    mkdirSync(replicasDirectory, { recursive: true });
    const arrived: Arrival[] = [];
    const replicas = new Map<string, ReplicaServer>();
    let sequence = 0;
    const app = {
      appId: `id-of-${appName}`,
      appName,
      url: `http://127.0.0.1:${port}`,
      port,
      folder,
      arrived,
      deploy: async (...deployments: readonly TestDeployment[]): Promise<void> => {
        for (const { key, replica: own } of deployments) {
          if (replicas.has(key)) continue;
          if (own !== undefined) {
            writeUnit(join(replicasDirectory, replicaIdOf(key)), own);
            continue;
          }
          const replica = await startReplica(key, arrived);
          replicas.set(key, replica);
          writeUnit(join(replicasDirectory, replicaIdOf(key)), { port: replica.port, protocol: "http1" });
        }
        sequence += 1;
        const listed = deployments.map(({ key, level, apis }): DeploymentEndpoints => ({
          key,
          revision: key,
          replicaIds: [replicaIdOf(key)],
          runtimeVersion: undefined,
          level,
          levelSource: "app",
          apis,
        }));
        const replicaIds = listed.flatMap((deployment) => deployment.replicaIds);
        writeEndpoints(endpointsPath(folder), { sequence, replicaIds, deployments: listed });
      },
      status: () => readFrontStatus(gatewayStatusPath(join(folder, "front-status.json"), "gateway-0")),
      [Symbol.asyncDispose]: async () => {
        for (const replica of replicas.values()) await replica.stop();
      },
    };
    this.#apps.push(app);
    return app;
  }

  writeRoutes(): void {
    this.#sequence += 1;
    writeRoutes(gatewayPaths(this.directory).routes, {
      sequence: this.#sequence,
      shared: this.shared,
      apps: this.#apps.map(({ appId, appName, port, folder }) => ({
        appId,
        appName,
        environment: "production",
        address: "127.0.0.1",
        port,
        hosts: this.hosts.get(appName),
        endpointsPath: endpointsPath(folder),
        replicasDirectory: join(folder, "replicas"),
        statusPath: join(folder, "front-status.json"),
      })),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const app of this.#apps) await app[Symbol.asyncDispose]();
  }
}

export function anApi(name: string, basePath = `/${name}`): BoundApi {
  return { name, version: "1.0.0", basePath, resources: [] };
}

interface ReplicaServer {
  readonly port: number;
  stop(): Promise<void>;
}

function startReplica(key: string, arrived: Arrival[]): Promise<ReplicaServer> {
  const server = createServer((request, response) => {
    const set = request.headers["x-set"];
    arrived.push({ deployment: key, path: request.url ?? "", set: typeof set === "string" ? set : "" });
    response.end(`answer of ${key}`);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo; // a TCP server
      const stop = (): Promise<void> =>
        new Promise((stopped) => {
          server.closeAllConnections();
          server.close(() => stopped());
        });
      resolve({ port, stop });
    });
  });
}

function replicaIdOf(key: string): string {
  return `replica-of-${key}`;
}

/** A replica that is ready; its process is the test's. */
function writeUnit(
  directory: string,
  { port, protocol }: { readonly port: number; readonly protocol: AppProtocol },
): void {
  mkdirSync(directory, { recursive: true });
  const paths = unitPaths(directory);
  writeUnitSpec(paths, {
    kind: "replica",
    unitId: "replica",
    appId: "app",
    revision: "1",
    templateDigest: "",
    createdAt: new Date(),
    command: ["node"],
    workingDirectory: directory,
    environment: {},
    ports: [{ name: "http", variable: "PORT", protocol }],
    portRange: { from: 20_000, to: 29_999 },
    probe: { kind: "none" },
    memoryLimitBytes: undefined,
    cpuLimitMillis: undefined,
    cgroupParent: undefined,
    stopGraceMs: 1_000,
    runAs: undefined,
    logs: { maxFileBytes: 1_000_000, maxFiles: 1 },
    restart: { baseMs: 100, capMs: 1_000, resetAfterMs: 1_000 },
  });
  writeStateFile(paths.state, {
    ...initialUnitState,
    app: processRef(process.pid),
    phase: "ready",
    ports: { http: port },
  });
}
