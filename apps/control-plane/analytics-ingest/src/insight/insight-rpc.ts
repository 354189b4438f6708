import { InsightServiceService } from "@drawbridge/contracts/insight/v1/insight_service";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { sendAll } from "../query/send-all.ts";
import { captureFigures } from "./capture-figures.ts";
import { type ExchangeReader, listExchanges, mostExchanges, tailExchanges } from "./list-exchanges.ts";

const managementApi = [{ service: "management-api" }] as const;
const byDefault = 100;

/** What captures took. Callers may ask for anything: management-api decides for whom. */
export function createInsightRpc(reader: ExchangeReader): GrpcServiceDefinition {
  return defineGrpcService(InsightServiceService, {
    allow: { listExchanges: managementApi, getCaptureFigures: managementApi },
    handlers: {
      listExchanges: async (call, { signal }) => {
        const { environment, captureId, limit, follow } = call.request;
        const asked = { environment, captureId, limit: Math.min(limit || byDefault, mostExchanges) };
        await sendAll(call, (follow ? tailExchanges : listExchanges)(reader, asked, signal), signal);
      },
      getCaptureFigures: async ({ environment, captureIds }, { signal }) => ({
        figures: [...(await captureFigures(reader, { environment, captureIds }, signal))],
        retentionDays: reader.retentionDays,
      }),
    },
  });
}
