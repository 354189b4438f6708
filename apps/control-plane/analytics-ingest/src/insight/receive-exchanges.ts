import type { Clock } from "@drawbridge/lifecycle";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Exchange, ExchangeAnswer } from "@drawbridge/rpc";
import type { Metrics } from "@drawbridge/telemetry";
import type { DeletedFabrics } from "../receive/deleted-fabrics.ts";
import type { IntakeLimits } from "../receive/intake-limits.ts";
import type { TokenGuard } from "../receive/token-guard.ts";
import { packingOf, unpackBody } from "../receive/unpack-body.ts";
import type { ExchangeStore } from "./exchange-store.ts";
import { insightBatchBytes, readInsightBatch } from "./read-insight-batch.ts";

/** What every request of a gateway passes first. */
export interface GatewayDoor {
  readonly guard: TokenGuard;
  readonly deletedFabrics: Pick<DeletedFabrics, "assertThere">;
  readonly limits: IntakeLimits;
  /** Time for a body to arrive. */
  readonly bodyTimeoutMs: number;
}

/**
 * `POST /v1/insight/exchanges`: let in as batches of requests are, by the same token and out of the same allowance; what is
 * answered with 200 is in the store.
 */
export function createReceiveExchanges(
  deps: {
    readonly exchanges: Pick<ExchangeStore, "keep">;
    readonly clock: Pick<Clock, "now">;
    readonly metrics: Metrics;
  },
  door: GatewayDoor,
): (exchange: Exchange) => Promise<ExchangeAnswer> {
  const { exchanges, clock } = deps;
  const taken = deps.metrics.counter("insight_exchanges", { description: "captured exchanges that are kept" });
  const leftOut = deps.metrics.counter("insight_exchanges_left_out", {
    description: "captured exchanges for which there was no room",
  });

  return async (request) => {
    const grant = await door.guard.authenticate(request);
    door.deletedFabrics.assertThere(grant.fabricId);
    const packing = packingOf(request.header("content-encoding"));
    assertProtobuf(request.header("content-type"));
    // What a packed body will be is not known before it is unpacked.
    const told = packing === "none" ? (request.contentLength ?? insightBatchBytes) : insightBatchBytes;
    const place = door.limits.enter(grant.fabricId, Math.min(told, insightBatchBytes));
    try {
      const body = await request.readBody({ limitBytes: insightBatchBytes, timeoutMs: door.bodyTimeoutMs });
      const plain = unpackBody(body, packing, insightBatchBytes);
      place.charge(plain.length);
      const received = readInsightBatch(plain, { grant, receivedAtMs: clock.now().getTime() });
      const kept = await exchanges.keep(received);
      taken.add(kept.accepted);
      leftOut.add(received.exchanges.length - kept.accepted);
      return { status: 200, contentType: "application/json", body: JSON.stringify({ ...kept, minFlushMs: 0 }) };
    } finally {
      place.leave();
    }
  };
}

/** @throws DrawbridgeError `MEDIA_TYPE_UNSUPPORTED` (415) */
function assertProtobuf(contentType: string | undefined): void {
  if (contentType?.split(";")[0]?.trim().toLowerCase() === "application/x-protobuf") return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "MEDIA_TYPE_UNSUPPORTED",
    message: "captured exchanges are application/x-protobuf",
  });
}
