import { GatekeeperServiceService } from "@drawbridge/contracts/runtime/v1/gatekeeper_service";
import { AppPhase, type AppSpec, DesiredState } from "@drawbridge/contracts/runtime/v1/app";
import {
  type App,
  type AppName,
  AppServiceService,
  type DeployAppRequest,
  type Revision,
  type StreamLogsResponse,
} from "@drawbridge/contracts/runtime/v1/app_service";
import { type Fabric, FabricServiceService, FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

type LogSource = (signal: AbortSignal) => AsyncIterable<StreamLogsResponse>;

/** Runtime-manager as far as the REST API sees it, in memory: for faults that the real one cannot be made to show. */
export interface StandInRuntimeManager {
  readonly services: readonly GrpcServiceDefinition[];
  readonly fabrics: Map<string, Fabric>;
  readonly deploys: DeployAppRequest[];
  /** What StreamLogs answers. */
  logs: LogSource;
  /** Thrown by the next write. */
  failNext: DrawbridgeError | undefined;
  /** Thrown by the write after that. */
  failAfter: DrawbridgeError | undefined;
}

const allow = [{ service: "management-api" }] as const;
const at = new Date("2026-01-01T00:00:00Z");

export function standInRuntimeManager(): StandInRuntimeManager {
  const apps = new Map<string, App>();
  const revisions = new Map<string, Revision[]>();
  const answered = new Map<string, App>();
  const fabrics = new Map<string, Fabric>();
  const keyOf = (name: AppName | undefined): string => `${name?.environment}/${name?.name}`;

  function find(name: AppName | undefined): App & { spec: AppSpec } {
    const app = apps.get(keyOf(name));
    if (!app?.spec) throw notFound("APP_NOT_FOUND", `there is no app ${keyOf(name)}`);
    return { ...app, spec: app.spec };
  }

  function fabricOf(nameOrId: string): Fabric {
    const fabric = [...fabrics.values()].find(({ fabricId, name }) => fabricId === nameOrId || name === nameOrId);
    if (!fabric) throw notFound("FABRIC_NOT_FOUND", `there is no fabric ${nameOrId}`);
    return fabric;
  }

  function once(requestId: string, name: AppName | undefined, change: () => App): App {
    if (self.failNext) {
      const error = self.failNext;
      self.failNext = self.failAfter;
      self.failAfter = undefined;
      throw error;
    }
    const earlier = answered.get(requestId);
    if (earlier) return earlier;
    const app = change();
    answered.set(requestId, app);
    apps.set(keyOf(name), app);
    return app;
  }

  function changeWish(requestId: string, name: AppName | undefined, change: Partial<AppSpec>): App {
    return once(requestId, name, () => {
      const app = find(name);
      return { ...app, spec: { ...app.spec, ...change, generation: app.spec.generation + 1n } };
    });
  }

  function deploy(request: DeployAppRequest): App {
    self.deploys.push(request);
    return once(request.requestId, request.app, () => {
      const earlier = apps.get(keyOf(request.app));
      const fabric = fabricOf(request.fabric === "" ? (earlier?.fabricId ?? "") : request.fabric);
      const list = revisions.get(keyOf(request.app)) ?? [];
      const revision = BigInt(list.length + 1);
      revisions.set(keyOf(request.app), [
        ...list,
        {
          revision,
          version: request.version,
          bundle: request.bundle,
          configuration: request.configuration,
          createdAt: at,
          requestedBy: request.requestedBy,
          cause: "deploy",
          current: true,
          servedAt: undefined,
        },
      ]);
      return appFrom(request, fabric, revision);
    });
  }

  const appService = defineGrpcService(AppServiceService, {
    allow: Object.fromEntries(Object.keys(AppServiceService).map((method) => [method, allow])) as never, // one list for all
    handlers: {
      deployApp: async (request) => ({ app: deploy(request), changed: true }),
      getApp: async ({ app }) => ({ app: find(app) }),
      listApps: async ({ environments }) => ({
        apps: [...apps.values()].filter((app) => environments.includes(app.spec?.environment ?? "")),
        nextPageToken: "",
      }),
      setDesiredState: async ({ requestId, app, desiredState }) => ({
        app: changeWish(requestId, app, { desiredState }),
      }),
      restartApp: async ({ requestId, app }) => ({ app: changeWish(requestId, app, { restartNonce: requestId }) }),
      scaleApp: async ({ requestId, app, replicas }) => ({ app: changeWish(requestId, app, { replicas }) }),
      rollbackApp: async ({ requestId, app, toRevision }) => {
        const list = revisions.get(keyOf(app)) ?? [];
        if (toRevision > list.length) throw notFound("REVISION_NOT_FOUND", `there is no revision ${toRevision}`);
        return { app: changeWish(requestId, app, { revision: BigInt(list.length + 1) }) };
      },
      deleteApp: async ({ requestId, app }) => ({
        app: once(requestId, app, () => ({ ...find(app), deleting: true })),
      }),
      listRevisions: async ({ app }) => {
        find(app);
        return { revisions: (revisions.get(keyOf(app)) ?? []).toReversed(), nextPageToken: "" };
      },
      streamLogs: async (call, { signal }) => {
        find(call.request.app);
        for await (const line of self.logs(signal)) {
          if (!call.write(line)) await new Promise((resolve) => call.once("drain", resolve));
        }
      },
    },
  });

  const gatekeeperService = defineGrpcService(GatekeeperServiceService, {
    allow: { setGatekeeper: allow, listGatekeeperSettings: allow },
    handlers: {
      setGatekeeper: async ({ scope, value }) => {
        const { $case: kind = "environment", value: name = "" } = scope?.scope ?? {};
        return { setting: { kind, name: kind === "fabric" ? fabricOf(name).fabricId : name, value } };
      },
      listGatekeeperSettings: async () => ({ settings: [] }),
    },
  });

  const fabricService = defineGrpcService(FabricServiceService, {
    allow: Object.fromEntries(Object.keys(FabricServiceService).map((method) => [method, allow])) as never, // one list for all
    handlers: {
      createFabric: async ({ org, name, region, environments }) => {
        const existing = [...fabrics.values()].find((fabric) => fabric.name === name);
        const fabric = existing ?? aFabric({ org, name, region });
        const merged = { ...fabric, environments: [...new Set([...fabric.environments, ...environments])] };
        fabrics.set(merged.fabricId, merged);
        return { fabric: merged, created: existing === undefined };
      },
      getFabric: async ({ fabric }) => ({ fabric: fabricOf(fabric) }),
      listFabrics: async () => ({ fabrics: [...fabrics.values()], nextPageToken: "" }),
      updateFabric: async ({ fabric, clockSkewWarnSeconds, clockSkewFailSeconds }) => {
        const found = fabricOf(fabric);
        const changed = {
          ...found,
          clockSkewWarnSeconds: clockSkewWarnSeconds ?? found.clockSkewWarnSeconds,
          clockSkewFailSeconds: clockSkewFailSeconds ?? found.clockSkewFailSeconds,
        };
        fabrics.set(found.fabricId, changed);
        return { fabric: changed };
      },
      deleteFabric: async ({ fabric, force }) => {
        const found = fabricOf(fabric);
        const hasApps = [...apps.values()].some((app) => app.fabricId === found.fabricId);
        if (hasApps && !force) {
          throw new DrawbridgeError({
            kind: "failed_precondition",
            code: "FABRIC_HAS_APPS",
            message: "apps are deployed to it",
          });
        }
        fabrics.delete(found.fabricId);
        return { fabricId: found.fabricId };
      },
    },
  });

  const self: StandInRuntimeManager = {
    services: [appService, fabricService, gatekeeperService],
    fabrics,
    deploys: [],
    logs: async function* none() {},
    failNext: undefined,
    failAfter: undefined,
  };
  return self;
}

function appFrom(request: DeployAppRequest, fabric: Fabric, revision: bigint): App {
  return {
    spec: {
      appId: crypto.randomUUID(),
      name: request.app?.name ?? "",
      environment: request.app?.environment ?? "",
      generation: revision,
      revision,
      version: request.version,
      desiredState: DesiredState.DESIRED_STATE_RUNNING,
      replicas: request.replicas ?? 1,
      restartNonce: "",
      bundle: request.bundle,
      configuration: request.configuration,
      publicPort: request.publicPort ?? 0,
      routes: request.routes?.routes ?? [],
      strategy: request.strategy,
      specDigest: `sha256:${"1".repeat(64)}`,
      traceparent: "",
      gatekeeper: request.gatekeeper ?? "",
      gatekeeperSource: request.gatekeeper ? "app" : "",
    },
    status: {
      appId: "",
      observedGeneration: revision,
      appliedDigest: `sha256:${"1".repeat(64)}`,
      phase: AppPhase.APP_PHASE_RUNNING,
      servingRevision: revision,
      readyReplicas: 1,
      replicas: [{ replicaId: "r-1", revision, state: "ready", restarts: 0, startedAt: at, lastExit: "" }],
      conditions: [
        { type: "Ready", status: "True", reason: "AllReady", message: "all replicas are ready", lastTransitionAt: at },
      ],
      endpoints: ["http://127.0.0.1:18000"],
      observedAt: at,
      gates: [],
    },
    fabricId: fabric.fabricId,
    fabricName: fabric.name,
    deleting: false,
    createdAt: at,
    updatedAt: at,
    statusCurrent: true,
    manifestJson: request.manifestJson,
  };
}

export function aFabric(parts: Partial<Fabric> = {}): Fabric {
  return {
    fabricId: crypto.randomUUID(),
    org: "default",
    name: "edge",
    region: "",
    environments: [],
    state: FabricState.FABRIC_STATE_CONNECTED,
    cluster: {
      driver: "process",
      agentVersion: "0.1.0",
      clusterVersion: "linux",
      kubernetesVersion: "",
      containerRuntimeVersion: "node 26",
      nodes: 1,
      cpuMillicores: 2_000n,
      memoryBytes: 8_000_000_000n,
      logsAllowed: true,
    },
    alerts: [{ reason: "ClockSkew", message: "the clock is 70 s ahead", since: at }],
    agentId: crypto.randomUUID(),
    desiredGeneration: 3n,
    observedGeneration: 3n,
    lastSeenAt: at,
    clockSkewMs: -12n,
    clockSkewWarnSeconds: 60,
    clockSkewFailSeconds: 300,
    certificateSerial: "0a",
    certificateNotAfter: at,
    tunnelReplica: "runtime-manager-0",
    createdAt: at,
    appCount: 0,
    certificates: [],
    trustBundleSequence: 1n,
    lockReason: "",
    lockMessage: "",
    lockedAt: undefined,
    ...parts,
  };
}

function notFound(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "not_found", code, message });
}
