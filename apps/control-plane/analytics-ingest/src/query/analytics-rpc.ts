import type { ColumnarStore } from "@drawbridge/columnar";
import {
  AnalyticsServiceService,
  type DeadLetter,
  type ListRequestsResponse,
} from "@drawbridge/contracts/analytics/v1/analytics_service";
import type { Clock } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { answerQuery } from "./answer-query.ts";
import { formatOf } from "./contract-names.ts";
import { exportRequests } from "./export-requests.ts";
import { gatewayIntakes } from "./intake.ts";
import { listRequests } from "./list-requests.ts";
import { listFrom, questionFrom, selectionFrom } from "./read-request.ts";
import { recordFromRow } from "./request-columns.ts";
import { sendAll } from "./send-all.ts";
import { tailRequests } from "./tail-requests.ts";

export interface AnalyticsRpcDeps {
  readonly store: Pick<ColumnarStore, "query" | "stream">;
  /** What is on its way into the store. */
  readonly intake: {
    waitingBatches(): Promise<bigint>;
    /** Between receiving a request and telling of it, lately; milliseconds. */
    lagMs(): number;
    readonly retentionDays: number;
  };
  readonly deadLetters: {
    count(): Promise<bigint>;
    list(options: { readonly limit: number }): Promise<DeadLetter[]>;
    /** No ids: all of them. */
    replay(options: { readonly ids: readonly bigint[] }): Promise<number>;
    delete(options: { readonly ids: readonly bigint[] }): Promise<number>;
  };
  readonly clock: Clock;
}

const managementApi = [{ service: "management-api" }] as const;
const deadLettersAtOnce = 100;

/** What was reported of requests. Callers may ask for anything: management-api decides for whom; alerting asks for what its operator's rules name. */
export function createAnalyticsRpc(deps: AnalyticsRpcDeps): GrpcServiceDefinition {
  const { store, intake, deadLetters, clock } = deps;
  return defineGrpcService(AnalyticsServiceService, {
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
      query: (request, { signal }) =>
        answerQuery({ store, clock, retentionDays: intake.retentionDays }, questionFrom(request, clock.now()), signal),
      listRequests: async (call, { signal }) => {
        const asked = listFrom(call.request);
        const source = call.request.follow
          ? tailRequests({ store, clock }, asked, signal)
          : listed(await listRequests(store, asked, signal));
        await sendAll(call, source, signal);
      },
      export: async (call, { signal }) => {
        const selection = selectionFrom(call.request.selection);
        const format = formatOf(call.request.format);
        await sendAll(call, pieces(exportRequests(store, { selection, format }, signal)), signal);
      },
      getIntake: async ({ fabricId }, { signal }) => {
        const [gateways, waitingBatches, dead] = await Promise.all([
          gatewayIntakes(store, fabricId, signal),
          intake.waitingBatches(),
          deadLetters.count(),
        ]);
        const { retentionDays } = intake;
        return { gateways, waitingBatches, deadLetters: dead, lagMs: intake.lagMs(), retentionDays };
      },
      listDeadLetters: async ({ limit }) => ({
        deadLetters: await deadLetters.list({ limit: limit === 0 ? deadLettersAtOnce : limit }),
      }),
      replayDeadLetters: async ({ ids }) => ({ replayed: await deadLetters.replay({ ids }) }),
      deleteDeadLetters: async ({ ids }) => ({ deleted: await deadLetters.delete({ ids }) }),
    },
  });
}

async function* listed(rows: Awaited<ReturnType<typeof listRequests>>): AsyncGenerator<ListRequestsResponse> {
  yield { requests: rows.map(recordFromRow), leftOut: 0n };
}

async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ bytes: Buffer }> {
  for await (const bytes of source) yield { bytes: Buffer.from(bytes) };
}
