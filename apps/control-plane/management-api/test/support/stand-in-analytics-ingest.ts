import {
  AnalyticsServiceService,
  type DeadLetter,
  type ExportRequest,
  type GetIntakeResponse,
  type ListRequestsRequest,
  type ListRequestsResponse,
  type QueryRequest,
  type QueryResponse,
  type RequestRecord,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

/** What analytics-ingest answers is the test's to say; what it was asked is kept. */
export interface StandInAnalytics {
  readonly asked: { query?: QueryRequest; list?: ListRequestsRequest; export?: ExportRequest };
  figures: QueryResponse;
  requests: (signal: AbortSignal) => AsyncIterable<ListRequestsResponse>;
  file: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  intake: GetIntakeResponse;
  readonly deadLetters: DeadLetter[];
  /** Thrown by every call while it is set. */
  failWith: DrawbridgeError | undefined;
}

export function standInAnalyticsIngest(): {
  readonly service: GrpcServiceDefinition;
  readonly state: StandInAnalytics;
} {
  const state: StandInAnalytics = {
    asked: {},
    figures: { rows: [], isCut: false, missingRequests: 0n, source: "requests", buckets: [], keptSince: new Date(0) },
    requests: async function* none() {},
    file: async function* none() {},
    intake: { gateways: [], waitingBatches: 0n, deadLetters: 0n, lagMs: 0, retentionDays: 90 },
    deadLetters: [],
    failWith: undefined,
  };
  const managementApi = [{ service: "management-api" }] as const;
  const check = (): void => {
    if (state.failWith) throw state.failWith;
  };
  const take = (ids: readonly bigint[]): number => {
    check();
    const unknown = ids.find((id) => !state.deadLetters.some((letter) => letter.id === id));
    if (unknown !== undefined) {
      throw new DrawbridgeError({ kind: "not_found", code: "DEAD_LETTER_UNKNOWN", message: `there is no ${unknown}` });
    }
    const gone = state.deadLetters.filter(({ id }) => ids.length === 0 || ids.includes(id));
    for (const letter of gone) state.deadLetters.splice(state.deadLetters.indexOf(letter), 1);
    return gone.length;
  };
  const service = defineGrpcService(AnalyticsServiceService, {
    allow: {
      query: [...managementApi, { service: "alerting" }],
      listRequests: managementApi,
      export: managementApi,
      getIntake: managementApi,
      listDeadLetters: managementApi,
      replayDeadLetters: managementApi,
      deleteDeadLetters: managementApi,
    },
    handlers: {
      query: async (request) => {
        state.asked.query = request;
        check();
        return state.figures;
      },
      listRequests: async (call, { signal }) => {
        state.asked.list = call.request;
        check();
        for await (const message of state.requests(signal)) call.write(message);
      },
      export: async (call, { signal }) => {
        state.asked.export = call.request;
        check();
        for await (const bytes of state.file(signal)) call.write({ bytes: Buffer.from(bytes) });
      },
      getIntake: async () => {
        check();
        return state.intake;
      },
      listDeadLetters: async ({ limit }) => {
        check();
        return { deadLetters: state.deadLetters.slice(0, limit) };
      },
      replayDeadLetters: async ({ ids }) => ({ replayed: take(ids) }),
      deleteDeadLetters: async ({ ids }) => ({ deleted: take(ids) }),
    },
  });
  return { service, state };
}

/** A request of which nothing is told that need not be. */
export function aRequestRecord(record: Partial<RequestRecord>): RequestRecord {
  return {
    time: new Date("2026-03-28T12:00:00Z"),
    environment: "production",
    api: "orders",
    apiVersion: "v1",
    application: "",
    verb: "GET",
    resourcePath: "/orders/{id}",
    statusCode: 200,
    disposition: 1,
    violatedPolicy: "",
    latencyMs: 5,
    upstreamMs: 4,
    requestBytes: 0,
    responseBytes: 100,
    clientIp: "",
    continent: "",
    country: "",
    city: "",
    postalCode: "",
    timezone: "",
    browser: "",
    userAgentType: "",
    userAgentVersion: "",
    hardwarePlatform: "",
    osFamily: "",
    osMajorVersion: "",
    osMinorVersion: "",
    osVersion: "",
    app: "orders-app",
    replica: "orders-app-0",
    gateway: "gateway-0",
    fabricId: "00000000-0000-4000-8000-00000000000f",
    weight: 1,
    ...record,
  };
}
