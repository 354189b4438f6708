import { zstdCompressSync } from "node:zlib";
import type { QueueEntry } from "@drawbridge/bus";
import type { Gap, ReportedApi } from "@drawbridge/contracts/analytics/v1/request_batch";
import { GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { BatchBuilder, batchHead, type AddressDetail, type ReportableRequest } from "@drawbridge/request-batch";
import { queueEntry } from "../../src/receive/queued-batch.ts";

export const fabricId = "0199f000-0000-7000-8000-00000000000f";

export const orders: ReportedApi = {
  apiId: "0199f000-0000-7000-8000-0000000000a1",
  name: "orders",
  version: "v1",
  environment: "production",
  app: "orders-app",
  geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
};

export interface BatchParts {
  readonly sequence: number;
  readonly requests: readonly Partial<ReportableRequest>[];
  readonly gatewayId?: string;
  readonly epoch?: number;
  readonly receivedAtMs?: number;
  readonly gaps?: readonly Gap[];
  readonly api?: Partial<ReportedApi>;
  readonly addressDetail?: AddressDetail;
  readonly isUserAgentTold?: boolean;
}

/** A batch as the receiver puts it into the queue. */
export function aQueuedBatch(parts: BatchParts): QueueEntry {
  const instance = {
    api: { ...orders, ...parts.api },
    addressDetail: parts.addressDetail ?? "full",
    isUserAgentTold: parts.isUserAgentTold ?? true,
  };
  const receivedAtMs = parts.receivedAtMs ?? Date.now();
  const builder = new BatchBuilder({ capacity: parts.requests.length, addressKey: new Uint8Array(32) });
  for (const request of parts.requests) {
    builder.add({
      receivedAtMs: receivedAtMs - 1_000,
      application: "shop",
      resourcePath: "/orders/{id}",
      verb: "GET",
      status: 200,
      disposition: 1,
      policy: undefined,
      latencyUs: 1_000,
      upstreamUs: 700,
      requestBytes: 10,
      responseBytes: 20,
      clientAddress: "203.0.113.7",
      userAgent: "curl/8.5.0",
      replica: "orders-app-0",
      ...request,
      instance,
    });
  }
  const key = {
    fabricId,
    gatewayId: parts.gatewayId ?? "gateway-0",
    epoch: BigInt(parts.epoch ?? 1),
    sequence: BigInt(parts.sequence),
  };
  const body = builder.take()?.body ?? new Uint8Array();
  const message = Buffer.concat([batchHead(key, parts.gaps ?? []), body]);
  return queueEntry({ key, receivedAtMs, frame: zstdCompressSync(message) });
}

/** The same bytes under another id, as a gateway sends them again after the queue has forgotten the first. */
export function again(entry: QueueEntry): QueueEntry {
  return { ...entry, id: `again:${entry.id}` };
}
