import { CaptureLossReason, CapturedExchange, InsightBatch } from "@drawbridge/contracts/insight/v1/insight_batch";
import type { InsightLoss, InsightLossReason } from "./insight-protocol.ts";

const mostQueuedBytes = 8 * 1024 * 1024;
const mostInBatch = 64;
const mostLosses = 100;
const mostBatchBytes = 1024 * 1024;
const reasons = {
  rate: CaptureLossReason.CAPTURE_LOSS_REASON_RATE,
  memory: CaptureLossReason.CAPTURE_LOSS_REASON_MEMORY,
  undelivered: CaptureLossReason.CAPTURE_LOSS_REASON_UNDELIVERED,
  refused: CaptureLossReason.CAPTURE_LOSS_REASON_REFUSED,
  fault: CaptureLossReason.CAPTURE_LOSS_REASON_FAULT,
} as const satisfies Record<InsightLossReason, CaptureLossReason>;

interface Queued {
  readonly exchange: CapturedExchange;
  readonly sizeBytes: number;
}

/** What is sent under one name. */
export interface QueuedBatch {
  readonly bytes: Uint8Array;
  readonly exchanges: readonly CapturedExchange[];
  readonly losses: readonly InsightLoss[];
}

/*
 * Masked exchanges that wait to be sent, in memory alone.
 *
 * Invariants: bounded by their size: the oldest go first, and are counted. A loss is told with one batch; with another one only
 * if that was given up.
 */
export class ExchangeQueue {
  readonly #waiting: Queued[] = [];
  readonly #losses = new Map<string, InsightLoss>();
  readonly #lost: Partial<Record<InsightLossReason, number>> = {};
  #bytes = 0;

  get size(): number {
    return this.#waiting.length;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#losses.size === 0;
  }

  /** Since the beginning. */
  get lost(): Readonly<Partial<Record<InsightLossReason, number>>> {
    return { ...this.#lost };
  }

  add(exchange: CapturedExchange): void {
    const sizeBytes = CapturedExchange.encode(exchange).finish().length;
    this.#waiting.push({ exchange, sizeBytes });
    this.#bytes += sizeBytes;
    while (this.#bytes > mostQueuedBytes) {
      const oldest = this.#waiting.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.sizeBytes;
      this.lose({ captureId: oldest.exchange.captureId, reason: "undelivered", exchanges: 1 });
    }
  }

  lose(loss: InsightLoss): void {
    this.#lost[loss.reason] = (this.#lost[loss.reason] ?? 0) + loss.exchanges;
    this.#keep(loss);
  }

  /** `undefined`: there is nothing to say. */
  next(gatewayId: string, batchId: string): QueuedBatch | undefined {
    if (this.isEmpty) return undefined;
    const exchanges: CapturedExchange[] = [];
    let size = 0;
    for (let [first] = this.#waiting; first !== undefined && exchanges.length < mostInBatch; [first] = this.#waiting) {
      if (exchanges.length > 0 && size + first.sizeBytes > mostBatchBytes) break;
      this.#waiting.shift();
      this.#bytes -= first.sizeBytes;
      size += first.sizeBytes;
      exchanges.push(first.exchange);
    }
    const told = [...this.#losses].slice(0, mostLosses);
    for (const [key] of told) this.#losses.delete(key);
    const losses = told.map(([, loss]) => loss);
    const bytes = InsightBatch.encode({
      gatewayId,
      batchId,
      exchanges,
      losses: losses.map(({ captureId, reason, exchanges: count }) => ({
        captureId,
        reason: reasons[reason],
        exchanges: BigInt(count),
      })),
    }).finish();
    return { bytes, exchanges, losses };
  }

  /** It will not be sent again. */
  giveUp(batch: QueuedBatch, reason: "undelivered" | "refused"): void {
    for (const { captureId } of batch.exchanges) this.lose({ captureId, reason, exchanges: 1 });
    for (const loss of batch.losses) this.#keep(loss);
  }

  #keep(loss: InsightLoss): void {
    const key = `${loss.captureId} ${loss.reason}`;
    const known = this.#losses.get(key)?.exchanges ?? 0;
    this.#losses.set(key, { ...loss, exchanges: known + loss.exchanges });
  }
}
