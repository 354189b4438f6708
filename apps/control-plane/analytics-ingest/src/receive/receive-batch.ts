import { isDrawbridgeError, DrawbridgeError } from "@drawbridge/errors";
import type { AnalyticsGrant } from "@drawbridge/analytics-access";
import type { WorkQueue } from "@drawbridge/bus";
import type { Clock } from "@drawbridge/lifecycle";
import { batchLimits, readBatch, type ReadBatch } from "@drawbridge/request-batch";
import type { Exchange, ExchangeAnswer } from "@drawbridge/rpc";
import type { Metrics } from "@drawbridge/telemetry";
import type { DeletedFabrics } from "./deleted-fabrics.ts";
import type { IntakeLimits, Place } from "./intake-limits.ts";
import { batchFromJson, jsonLimitBytes, nameByKey, type NameBatch } from "./json-batch.ts";
import { queueEntry } from "./queued-batch.ts";
import { queueAway, queueFull, type QueueWatch } from "./queue-watch.ts";
import type { TokenGuard } from "./token-guard.ts";
import { packBatch, packingOf, unpackBody, type Packing } from "./unpack-body.ts";

export interface ReceiveBatchDeps {
  readonly guard: TokenGuard;
  readonly deletedFabrics: Pick<DeletedFabrics, "assertThere">;
  readonly limits: IntakeLimits;
  readonly queueWatch: Pick<QueueWatch, "assertOpen" | "minFlushMs">;
  readonly queue: Pick<WorkQueue, "publish">;
  /** For the JSON form without numbers. */
  readonly nameBatch: NameBatch;
  /** Time for a body to arrive. */
  readonly bodyTimeoutMs: number;
  readonly clock: Pick<Clock, "now">;
  readonly metrics: Metrics;
}

/** Of a body, as sent. Unpacked, a batch has `batchLimits.bytes` and JSON `jsonLimitBytes` at most. */
const bodyLimitBytes = 1024 * 1024;

interface Form {
  readonly type: "protobuf" | "json";
  readonly packing: Packing;
  /** As sent. */
  readonly limitBytes: number;
}

/**
 * `POST /v1/analytics/batches`: whoever may not send, or not now, is refused before the body is read; what is answered with 200
 * is on the disk of the message bus.
 */
export function createReceiveBatch(deps: ReceiveBatchDeps): (exchange: Exchange) => Promise<ExchangeAnswer> {
  const { limits, queue, queueWatch, clock } = deps;
  const batches = deps.metrics.counter("batches", { description: "batches taken, by outcome" });
  const requests = deps.metrics.counter("requests_reported", { description: "requests in batches taken" });
  const bytes = deps.metrics.counter("batch_bytes", { description: "size of batches taken, as queued", unit: "By" });

  async function take(exchange: Exchange, grant: AnalyticsGrant, at: { form: Form; place: Place }): Promise<ReadBatch> {
    const { form, place } = at;
    const body = await exchange.readBody({ limitBytes: form.limitBytes, timeoutMs: deps.bodyTimeoutMs });
    const isJson = form.type === "json";
    const plain = unpackBody(body, form.packing, isJson ? jsonLimitBytes : batchLimits.bytes);
    place.charge(plain.length);
    const message = isJson ? batchFromJson(plain, namingOf(exchange, deps.nameBatch)) : plain;
    const batch = readBatch(message);
    assertEnvironments(batch, grant);
    const frame = form.type === "protobuf" && form.packing === "zstd" ? body : packBatch(message);
    const { gatewayId, epoch, sequence } = batch; // not all of it: texts and columns are made when somebody looks at them
    const key = { fabricId: grant.fabricId, gatewayId, epoch, sequence };
    const entry = queueEntry({ key, receivedAtMs: clock.now().getTime(), frame });
    const { duplicate } = await publish(queue, entry);
    batches.add(1, { outcome: duplicate ? "duplicate" : "accepted" });
    if (!duplicate) {
      requests.add(batch.rows);
      bytes.add(frame.length);
    }
    return batch;
  }

  return async (exchange) => {
    const grant = await deps.guard.authenticate(exchange);
    deps.deletedFabrics.assertThere(grant.fabricId);
    const form = formOf(exchange);
    queueWatch.assertOpen();
    const place = limits.enter(grant.fabricId, Math.min(exchange.contentLength ?? form.limitBytes, form.limitBytes));
    try {
      const { rows } = await take(exchange, grant, { form, place });
      return {
        status: 200,
        contentType: "application/json",
        body: JSON.stringify({ accepted: rows, minFlushMs: queueWatch.minFlushMs() }),
      };
    } finally {
      place.leave();
    }
  };
}

/** @throws DrawbridgeError `MEDIA_TYPE_UNSUPPORTED` (415) */
function formOf({ header }: Pick<Exchange, "header">): Form {
  const packing = packingOf(header("content-encoding"));
  const type = header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "application/x-protobuf") return { type: "protobuf", packing, limitBytes: bodyLimitBytes };
  if (type === "application/json") {
    return { type: "json", packing, limitBytes: packing === "none" ? jsonLimitBytes : bodyLimitBytes };
  }
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "MEDIA_TYPE_UNSUPPORTED",
    message: "a batch is application/x-protobuf or application/json",
  });
}

function namingOf({ header }: Pick<Exchange, "header">, otherwise: NameBatch): NameBatch {
  const key = header("idempotency-key");
  return key === undefined || key === "" ? otherwise : nameByKey(key);
}

function assertEnvironments(batch: ReadBatch, grant: AnalyticsGrant): void {
  const foreign = batch.apis.find(({ environment }) => !grant.environments.includes(environment));
  if (foreign === undefined) return;
  throw new DrawbridgeError({
    kind: "permission_denied",
    code: "ANALYTICS_ENVIRONMENT_FORBIDDEN",
    message: "the batch has requests of an environment that the token is not for",
    details: { environment: foreign.environment.slice(0, 64) },
  });
}

async function publish(queue: Pick<WorkQueue, "publish">, entry: Parameters<WorkQueue["publish"]>[0]) {
  try {
    return await queue.publish(entry);
  } catch (error) {
    if (isDrawbridgeError(error, "BUS_FULL")) throw queueFull(error);
    if (!isDrawbridgeError(error, "BUS_MESSAGE_TOO_LARGE")) throw queueAway(error);
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "BODY_TOO_LARGE",
      message: "the batch is larger than the message bus takes",
      cause: error,
    });
  }
}
