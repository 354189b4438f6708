import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AlertServiceClient } from "@drawbridge/contracts/alerting/v1/alert_service";
import { AnalyticsServiceService, type QueryRequest } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { RevocationServiceService } from "@drawbridge/contracts/certs/v1/revocation_service";
import { MetricsServiceService } from "@drawbridge/contracts/monitoring/v1/metrics_service";
import { FabricServiceService, ListFabricsResponse } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { startComponents, systemClock, uuidV7Ids, type Component } from "@drawbridge/lifecycle";
import { IdentityHolder, saveIdentityDir } from "@drawbridge/pki";
import { createGrpcClient, createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { openStore } from "@drawbridge/store";
import { startTelemetry } from "@drawbridge/telemetry";
import {
  createTestCa,
  createTestLogger,
  freePort,
  startTestNats,
  startTestPostgres,
  tempDir,
} from "@drawbridge/testkit";
import { configSchema } from "../../src/config.ts";
import { createAlertingService } from "../../src/service.ts";
import type { AlertingDatabase } from "../../src/store/database.ts";
import { startHook, startMailServer } from "./stand-ins.ts";

const unused = () => Promise.reject(new Error("is not asked"));
const forever = new AbortController().signal;
export const hookSecret = "a secret of the receiver, long enough";

/** Replicas of alerting on real PostgreSQL, NATS and TLS; what they ask, and whom they tell, are stand-ins on real ports. */
export type AlertingWorld = Awaited<ReturnType<typeof startAlerting>>;

export async function startAlerting(options: {
  readonly replicas: readonly string[];
  readonly rules: (at: { readonly hookUrl: string; readonly secretFile: string }) => string;
}) {
  const cleanup = new AsyncDisposableStack();
  /** What the services say of requests and apps. */
  const figures = { errorRate: new Map<string, number>(), isAnalyticsAway: false, isTooSlow: false, memoryShare: 0.1 };
  const asked: QueryRequest[] = [];
  const folder = cleanup.use(await tempDir());
  const postgres = cleanup.use(await startTestPostgres());
  const nats = cleanup.use(await startTestNats());
  const migrations = join(import.meta.dirname, "../../migrations");
  const database = cleanup.use(await postgres.createDatabase({ schema: "alerting", migrations }));
  const hook = cleanup.use(await startHook());
  const mail = cleanup.use(await startMailServer());
  const ca = await createTestCa();
  const { logger } = createTestLogger();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder.path, name), text, { mode: 0o600 });
    return join(folder.path, name);
  };
  const start = async (name: string, service: ReturnType<typeof defineGrpcService>): Promise<string> => {
    const server = createGrpcServer({
      name,
      listen: { host: "127.0.0.1", port: 0 },
      identity: new IdentityHolder(await ca.issueService(name)),
      clientCertificate: "required",
      services: [service],
      logger,
    });
    await server.start(forever);
    cleanup.defer(() => server.stop(AbortSignal.timeout(1_000)));
    return `127.0.0.1:${server.address().port}`;
  };
  const identity = join(folder.path, "identity");
  await saveIdentityDir(identity, await ca.issueService("alerting"), new Date());
  const secretFile = await file("secret", `${hookSecret}\n`);
  const settings = {
    IDENTITY_DIR: identity,
    CERT_AUTHORITY_ADDRESS: await start("cert-authority", revocationStandIn()),
    DATABASE_URL_FILE: await file("database-url", database.url),
    NATS_URL: nats.url,
    NATS_CREDENTIALS_FILE: await file("nats", nats.credentials),
    RULES_FILE: await file("rules.yaml", options.rules({ hookUrl: hook.url, secretFile })),
    ANALYTICS_INGEST_ADDRESS: await start("analytics-ingest", analyticsStandIn(figures, asked)),
    MONITORING_INGEST_ADDRESS: await start("monitoring-ingest", metricsStandIn(figures)),
    RUNTIME_MANAGER_ADDRESS: await start("runtime-manager", fabricsStandIn()),
    SMTP_URL_FILE: await file("smtp", mail.url),
    MAIL_FROM: "alerts@example.com",
  };
  const store = openStore<AlertingDatabase>({ url: database.url, schema: "alerting", logger });
  await store.start(forever);
  cleanup.defer(() => store.stop(AbortSignal.timeout(1_000)));
  const addresses: string[] = [];
  for (const replica of options.replicas) {
    const config = {
      ...configSchema.parse(settings),
      REPLICA: replica,
      OPS_LISTEN: { host: "127.0.0.1", port: await freePort() },
      INTERNAL_LISTEN: { host: "127.0.0.1", port: 0 },
      EVALUATE_SECONDS: 0.1,
    };
    const telemetry = startTelemetry({ service: "alerting", replica, logger });
    const service = createAlertingService({
      config,
      logger,
      telemetry,
      clock: systemClock,
      random: { next: () => 0 },
      ids: uuidV7Ids,
    });
    await startComponents(service.components, forever);
    cleanup.defer(() => stopAll(service.components));
    addresses.push(`127.0.0.1:${service.address().port}`);
  }
  const clientAs = async (caller: string) => {
    const client = createGrpcClient(AlertServiceClient, {
      address: addresses[0] ?? "",
      identity: new IdentityHolder(await ca.issueService(caller)),
      expectedServer: "/cp/alerting",
      logger,
    });
    cleanup.defer(() => client.stop(AbortSignal.timeout(1_000)));
    return client.call;
  };
  return {
    hook,
    mail,
    store,
    figures,
    asked,
    call: await clientAs("management-api"),
    clientAs,
    /** Change the operator's file. */
    writeRules: (text: string) => file("rules.yaml", text),
    secretFile,
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

async function stopAll(components: readonly Component[]): Promise<void> {
  for (const component of components.toReversed()) await component.stop(AbortSignal.timeout(5_000));
}

interface Figures {
  readonly errorRate: Map<string, number>;
  isAnalyticsAway: boolean;
  isTooSlow: boolean;
  memoryShare: number;
}

function revocationStandIn() {
  return defineGrpcService(RevocationServiceService, {
    allow: { listRevocations: [{ service: "alerting" }] },
    handlers: { listRevocations: async () => ({ revocations: [], nextPosition: 0n, more: false, listId: "list-1" }) },
  });
}

function analyticsStandIn(figures: Figures, asked: QueryRequest[]) {
  const alerting = [{ service: "alerting" }] as const;
  return defineGrpcService(AnalyticsServiceService, {
    allow: {
      query: alerting,
      listRequests: alerting,
      export: alerting,
      getIntake: alerting,
      listDeadLetters: alerting,
      replayDeadLetters: alerting,
      deleteDeadLetters: alerting,
    },
    handlers: {
      query: async (request) => {
        asked.push(request);
        if (figures.isAnalyticsAway)
          throw new DrawbridgeError({ kind: "unavailable", code: "COLUMNAR_UNAVAILABLE", message: "away" });
        if (figures.isTooSlow)
          throw new DrawbridgeError({ kind: "deadline_exceeded", code: "COLUMNAR_QUERY_TIMEOUT", message: "too slow" });
        const rows = [...figures.errorRate].map(([api, value]) => ({
          bucket: undefined,
          group: [api],
          values: [value],
        }));
        return { rows, isCut: false, missingRequests: 0n, source: "requests", buckets: [], keptSince: new Date(0) };
      },
      listRequests: unused,
      export: unused,
      getIntake: unused,
      listDeadLetters: unused,
      replayDeadLetters: unused,
      deleteDeadLetters: unused,
    },
  });
}

function metricsStandIn(figures: Figures) {
  return defineGrpcService(MetricsServiceService, {
    allow: { showApps: [{ service: "alerting" }] },
    handlers: {
      // Like the real one: of all fabrics where none is named, and any of them can tell of any environment.
      showApps: async ({ environments, app, fabricIds }) => {
        const current = {
          time: new Date(),
          cpuMillicores: 10,
          memoryUsedBytes: BigInt(Math.round(figures.memoryShare * 1_000)),
          memoryTotalBytes: 1_000n,
          messages: 0n,
          responseTimeMs: Number.NaN,
          errors: 0n,
          countedSeconds: 0,
        };
        const total = { current, points: [] };
        const telling = ["f-1", "f-elsewhere"].filter((id) => fabricIds.length === 0 || fabricIds.includes(id));
        return {
          apps: telling.map((fabricId) => ({ environment: environments[0] ?? "", app, fabricId, total, replicas: [] })),
        };
      },
    },
  });
}

/** One fabric runs production, the other one does not. */
function fabricsStandIn() {
  return defineGrpcService(FabricServiceService, {
    allow: {
      createFabric: [],
      getFabric: [],
      listFabrics: [{ service: "alerting" }],
      updateFabric: [],
      deleteFabric: [],
    },
    handlers: {
      createFabric: unused,
      getFabric: unused,
      listFabrics: async () =>
        ListFabricsResponse.fromPartial({
          fabrics: [
            { fabricId: "f-1", environments: ["production"] },
            { fabricId: "f-elsewhere", environments: ["elsewhere"] },
          ],
        }),
      updateFabric: unused,
      deleteFabric: unused,
    },
  });
}
