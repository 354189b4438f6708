import type { Random } from "@drawbridge/lifecycle";
import { CaptureGuard, type Instant } from "../../insight/capture-guard.ts";
import { templateKey, type CaptureOrder } from "../../insight/capture-order.ts";
import type { InsightBoard } from "../../insight/insight-board.ts";
import type { CopiedExchange, InsightLoss, InsightLossReason } from "../../insight/insight-protocol.ts";
import type { FromWorker } from "../../workers/protocol.ts";
import { toldVerb } from "../analytics/request-recorder.ts";
import type { Arrival } from "../exchange/request-context.ts";
import type { ApiCaptures } from "./api-captures.ts";
import { ExchangeCopy, type CopyKeeper } from "./exchange-copy.ts";

interface InsightRecorderOptions {
  readonly worker: number;
  readonly board: InsightBoard;
  readonly random: Random;
  readonly now: () => Instant;
  readonly send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
}

const lossesEveryMs = 1_000;

/*
 * Copies of exchanges of this thread that met a capture, on their way to be masked.
 *
 * Invariants: what does not meet a capture is not copied. What met one and is not delivered is counted, in vain attempts and
 * faults alike.
 */
export class InsightRecorder implements CopyKeeper {
  readonly #options: InsightRecorderOptions;
  /** Of this thread alone, so that it copies no more than one gateway may take; the main thread decides for all. */
  readonly #guard = new CaptureGuard();
  readonly #losses = new Map<string, InsightLoss>();
  #toldMs = 0;

  constructor(options: InsightRecorderOptions) {
    this.#options = options;
  }

  /** Never throws. */
  begin(
    captures: ApiCaptures,
    { method, target, fields }: Pick<Arrival, "method" | "target" | "fields">,
    { resource, relativePath }: { readonly resource: string; readonly relativePath: string },
  ): ExchangeCopy | undefined {
    try {
      const { random } = this.#options;
      const now = this.#options.now();
      const open = captures.orders.filter(
        (order) =>
          this.#guard.isOpen(order, now) &&
          allows(order.methods, method) &&
          (order.share >= 1 || random.next() < order.share),
      );
      if (open.length === 0) return undefined;
      const pathTemplate = captures.template(resource, relativePath);
      const key = templateKey(pathTemplate);
      const orders = open.filter((order) => allows(order.templates, key) && this.#mayStillTake(order, now));
      if (orders.length === 0) return undefined;
      return new ExchangeCopy(this, {
        captures,
        orders,
        method: toldVerb(method),
        pathTemplate,
        query: target.search.slice(1),
        fields: fields.fields.slice(),
        hasBody: fields.bodyLength !== 0,
      });
    } catch {
      this.lose(captures.orders, "fault");
      return undefined;
    }
  }

  /** One that takes whatever its answer is need not be copied where the second is full. */
  #mayStillTake(order: CaptureOrder, now: Instant): boolean {
    const isDecidedLater = order.statusClasses.length > 0 || order.clientApplications.length > 0;
    if (isDecidedLater || this.#guard.hasRoom(order, now)) return true;
    this.lose([order], "rate");
    return false;
  }

  reserve(bytes: number): boolean {
    return this.#options.board.reserve(this.#options.worker, bytes);
  }

  release(bytes: number): void {
    this.#options.board.release(this.#options.worker, bytes);
  }

  lose(orders: readonly CaptureOrder[], reason: InsightLossReason): void {
    for (const { captureId } of orders) {
      const key = `${captureId} ${reason}`;
      const exchanges = (this.#losses.get(key)?.exchanges ?? 0) + 1;
      this.#losses.set(key, { captureId, reason, exchanges });
    }
  }

  deliver(exchange: Omit<CopiedExchange, "type">): void {
    const now = this.#options.now();
    const { status, clientApplication } = exchange;
    const met = exchange.orders.filter(
      ({ statusClasses, clientApplications }) =>
        allows(statusClasses, Math.floor(status / 100)) && allows(clientApplications, clientApplication),
    );
    const outcomes = met.map((order) => ({ order, outcome: this.#guard.take(order, now) }));
    this.lose(
      outcomes.flatMap(({ order, outcome }) => (outcome === "too_many" ? [order] : [])),
      "rate",
    );
    const orders = outcomes.flatMap(({ order, outcome }) => (outcome === "taken" ? [order] : []));
    if (orders.length === 0) return this.release(exchange.heldBytes);
    const bodies = [exchange.requestBody.bytes?.buffer, exchange.responseBody.bytes?.buffer];
    this.#options.send(
      { ...exchange, type: "exchange", orders },
      bodies.filter((buffer) => buffer !== undefined),
    );
  }

  /** Asked every 100 ms or so. */
  tick(monotonicMs: number): void {
    if (this.#losses.size === 0 || monotonicMs - this.#toldMs < lossesEveryMs) return;
    this.#toldMs = monotonicMs;
    this.flush();
  }

  flush(): void {
    if (this.#losses.size === 0) return;
    this.#options.send({ type: "lost_exchanges", losses: [...this.#losses.values()] });
    this.#losses.clear();
  }
}

function allows<T>(list: readonly T[], value: T): boolean {
  return list.length === 0 || list.includes(value);
}
