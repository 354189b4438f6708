import type { AnalyticsGrant } from "@drawbridge/analytics-access";
import { CapturedExchange, CaptureLossReason, InsightBatch } from "@drawbridge/contracts/insight/v1/insight_batch";
import { DrawbridgeError } from "@drawbridge/errors";
import type { ReceivedInsight } from "./insight-block.ts";
import { assertInsightBounds, insightInvalid } from "./insight-bounds.ts";

/** Unpacked. */
export const insightBatchBytes = 4 * 1024 * 1024;
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * A batch as it came, checked as far as it is kept by what it says.
 * @throws DrawbridgeError `INSIGHT_BATCH_INVALID` (invalid_argument), `ANALYTICS_ENVIRONMENT_FORBIDDEN` (permission_denied)
 */
export function readInsightBatch(
  bytes: Uint8Array,
  from: { readonly grant: Pick<AnalyticsGrant, "fabricId" | "environments">; readonly receivedAtMs: number },
): ReceivedInsight {
  const { grant, receivedAtMs } = from;
  const { batchId, exchanges, losses } = decoded(bytes);
  if (!uuidPattern.test(batchId)) throw insightInvalid("batch_id must be a lower-case UUID");
  const foreign = exchanges.find(({ environment }) => !grant.environments.includes(environment));
  if (foreign !== undefined) throw forbidden(foreign.environment);
  const { fabricId, environments } = grant;
  return {
    exchanges: exchanges.map((exchange) => {
      const { environment, captureId, exchangeId, receivedAtMs: at } = exchange;
      assertIds(captureId, exchangeId);
      const encoded = CapturedExchange.encode(exchange).finish();
      return { environment, captureId, fabricId, exchangeId, atMs: Number(at), receivedAtMs, bytes: encoded };
    }),
    losses: losses.map(({ captureId, reason, exchanges: count }) => {
      assertIds(captureId);
      return {
        captureId,
        environments,
        fabricId,
        batchId,
        reason: knownReason(reason),
        exchanges: count,
        receivedAtMs,
      };
    }),
  };
}

function decoded(bytes: Uint8Array): InsightBatch {
  assertInsightBounds(bytes);
  try {
    return InsightBatch.decode(bytes);
  } catch (cause) {
    throw insightInvalid("it is no InsightBatch", cause);
  }
}

function assertIds(...given: readonly string[]): void {
  if (!given.every((id) => uuidPattern.test(id))) throw insightInvalid("ids must be lower-case UUIDs");
}

/** One of a newer gateway is kept as one that is not said. */
function knownReason(reason: CaptureLossReason): CaptureLossReason {
  return Object.values<number>(CaptureLossReason).includes(reason) && reason > 0
    ? reason
    : CaptureLossReason.CAPTURE_LOSS_REASON_UNSPECIFIED;
}

function forbidden(environment: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "ANALYTICS_ENVIRONMENT_FORBIDDEN",
    message: "the batch has exchanges of an environment that the token is not for",
    details: { environment: environment.slice(0, 64) },
  });
}
