import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { BatchBuilder, batchHead } from "@drawbridge/request-batch";

export interface BatchOptions {
  readonly gatewayId?: string;
  readonly epoch?: bigint;
  readonly sequence?: bigint;
  readonly rows?: number;
  readonly environment?: string;
}

/** A batch as a gateway makes it. */
export function aBatch(options: BatchOptions = {}): Uint8Array {
  const { gatewayId = "gateway-1", epoch = 1n, sequence = 1n, rows = 10, environment = "production" } = options;
  const builder = new BatchBuilder({ capacity: rows, addressKey: new Uint8Array() });
  const api = {
    apiId: "01890000-0000-7000-8000-0000000000aa",
    name: "orders",
    version: "v1",
    environment,
    app: "orders-app",
    geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
  };
  const instance = { api, addressDetail: "full", isUserAgentTold: true } as const;
  for (let row = 0; row < rows; row += 1) {
    builder.add({
      receivedAtMs: Date.now(),
      instance,
      application: "shop",
      resourcePath: "/orders/{id}",
      verb: "GET",
      status: 200,
      disposition: Disposition.DISPOSITION_PROCESSED,
      policy: undefined,
      latencyUs: 1_000 + row,
      upstreamUs: 500,
      requestBytes: 0,
      responseBytes: 1_234,
      clientAddress: `192.0.2.${row % 250}`,
      userAgent: "curl/8.14.1",
      replica: "orders-1",
    });
  }
  const body = builder.take()?.body ?? new Uint8Array();
  return Buffer.concat([batchHead({ gatewayId, epoch, sequence }, []), body]);
}
