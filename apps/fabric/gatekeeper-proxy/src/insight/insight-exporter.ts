import { constants, zstdCompressSync } from "node:zlib";
import { fullJitterDelayMs, type Clock, type IdSource, type Random } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { createAccessKeeper, type AccessKeeper } from "../analytics/sender/access-keeper.ts";
import { createIngestClient, type IngestReply } from "../analytics/sender/ingest-client.ts";
import type { CaptureOrder } from "./capture-order.ts";
import { ExchangeQueue, type QueuedBatch } from "./exchange-queue.ts";
import type { CopiedExchange, FromInsight, InsightStart, InsightStatus, ToInsight } from "./insight-protocol.ts";
import { maskExchange } from "./mask/mask-exchange.ts";
import { createMaskRules, type MaskRules } from "./mask/mask-rules.ts";

interface InsightExporterOptions {
  readonly start: InsightStart;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Pick<IdSource, "next">;
  readonly logger: Logger;
  readonly post: (message: FromInsight) => void;
}

const collectMs = 1_000;
const baseMs = 500;
const capMs = 30_000;
const longestRetryAfterMs = 600_000;
/** Nobody keeps exchanges there: what is captured meanwhile is given up. */
const notKeptPauseMs = 60_000;
/** What could not be told for so long is of no use to whoever looks on. */
const giveUpAfterMs = 10 * 60_000;
const mostRules = 64;
const refusals: ReadonlySet<number> = new Set([400, 413, 422]);
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/**
 * exchanges from the workers -> masked -> queue in memory -> analytics-ingest. Nothing is written to a disk.
 *
 * Invariant: what was not masked is kept by nobody once `receive` has returned.
 */
export class InsightExporter {
  readonly #options: InsightExporterOptions;
  readonly #queue = new ExchangeQueue();
  readonly #ingest = createIngestClient("/v1/insight/exchanges");
  readonly #access: AccessKeeper;
  readonly #rules = new Map<string, MaskRules>();
  readonly #stopping = new AbortController();
  #hasFailed = false;
  #url = "";
  #sentExchanges = 0;
  #sentBytes = 0;
  #trouble: InsightStatus["trouble"];
  #lastStatus = "";
  #attempt = 0;

  constructor(options: InsightExporterOptions) {
    this.#options = options;
    this.#access = createAccessKeeper({
      ask: (refusedToken) => options.post({ type: "access_wanted", refusedToken }),
      clock: options.clock,
    });
  }

  receive(message: Exclude<ToInsight, { type: "stop" }>): void {
    switch (message.type) {
      case "exchange":
        this.#mask(message);
        return this.#options.post({ type: "taken" });
      case "lost_exchanges":
        return message.losses.forEach((loss) => this.#queue.lose(loss));
      case "trust":
        return this.#ingest.trust(message.bundle);
      case "access":
        return this.#access.answered(message.access);
    }
  }

  /** Until `stop`. */
  async run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await clock.sleep(collectMs, signal).catch(() => undefined); // stopped
      if (signal.aborted) return;
      while (!signal.aborted && (await this.#sendNext())) this.#tell();
      this.#tell();
    }
  }

  /** Deliver what there is, once, if that goes well. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping.abort();
    const { clock } = this.#options;
    const waiting = new AbortController();
    const timeIsUp = clock.sleep(withinMs, waiting.signal).catch(() => undefined); // not needed any more
    if (this.#trouble === undefined) await Promise.race([this.#sendRest(), timeIsUp]);
    waiting.abort();
    this.#access.answered({ failure: "STOPPING" }); // whoever waits for it
    this.#ingest.close();
    this.#tell();
  }

  async #sendRest(): Promise<void> {
    for (let batch = this.#nextBatch(); batch !== undefined; batch = this.#nextBatch()) {
      if ((await this.#attemptSend(batch, zstdCompressSync(batch.bytes, compression))) !== "settled") return;
    }
  }

  #mask(exchange: CopiedExchange): void {
    for (const order of exchange.orders) {
      try {
        const exchangeId = this.#options.ids.next();
        this.#queue.add(maskExchange(exchange, order, { rules: this.#rulesOf(order), exchangeId }));
      } catch {
        // Nothing of what went wrong is told: it may hold what must not leave.
        if (!this.#hasFailed)
          this.#options.logger.error({ capture_id: order.captureId }, "an exchange cannot be masked");
        this.#hasFailed = true;
        this.#queue.lose({ captureId: order.captureId, reason: "fault", exchanges: 1 });
      }
    }
  }

  #rulesOf({ reveal, redact }: CaptureOrder): MaskRules {
    const key = JSON.stringify([reveal, redact]);
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    if (this.#rules.size >= mostRules) this.#rules.clear();
    const rules = createMaskRules(reveal, [...redact, ...this.#options.start.redact]);
    this.#rules.set(key, rules);
    return rules;
  }

  #nextBatch(): QueuedBatch | undefined {
    return this.#queue.next(this.#options.start.gatewayId, this.#options.ids.next());
  }

  /** False: there was nothing to send. */
  async #sendNext(): Promise<boolean> {
    const batch = this.#nextBatch();
    if (batch === undefined) return false;
    const { clock, random } = this.#options;
    const { signal } = this.#stopping;
    const payload = zstdCompressSync(batch.bytes, compression);
    const giveUpMs = clock.monotonicMs() + giveUpAfterMs;
    for (;;) {
      const outcome = await this.#attemptSend(batch, payload);
      if (outcome === "settled") return true;
      this.#tell();
      const jitterMs = fullJitterDelayMs({ attempt: this.#attempt, baseMs, capMs, random });
      this.#attempt += 1;
      await clock.sleep(Math.max(outcome.pauseMs, jitterMs), signal).catch(() => undefined); // stopped
      if (outcome.isGivenUp) return true;
      if (signal.aborted || clock.monotonicMs() >= giveUpMs) {
        this.#queue.giveUp(batch, "undelivered");
        return true;
      }
    }
  }

  async #attemptSend(
    batch: QueuedBatch,
    payload: Uint8Array,
  ): Promise<"settled" | { readonly pauseMs: number; readonly isGivenUp: boolean }> {
    let reply: IngestReply;
    let token: string;
    try {
      const access = await this.#access.get();
      ({ token } = access);
      this.#url = access.url;
      this.#sentBytes += payload.length;
      reply = await this.#ingest.post(access, payload);
    } catch (error) {
      return this.#fail(error instanceof Error ? error.message : String(error), { pauseMs: 0, isGivenUp: false });
    }
    const { status, retryAfterMs = 0, fullCaptures } = reply;
    if (status >= 200 && status < 300) {
      this.#sentExchanges += batch.exchanges.length;
      if (fullCaptures.length > 0) this.#options.post({ type: "full", captureIds: fullCaptures });
      return this.#settle();
    }
    if (refusals.has(status)) {
      this.#queue.giveUp({ ...batch, losses: [] }, "refused");
      return this.#settle();
    }
    const reason = `HTTP_${status}`;
    if (status === 404) {
      this.#queue.giveUp(batch, "undelivered");
      return this.#fail(reason, { pauseMs: notKeptPauseMs, isGivenUp: true });
    }
    if (status === 401 || status === 403) this.#access.refused(token);
    return this.#fail(reason, { pauseMs: Math.min(retryAfterMs, longestRetryAfterMs), isGivenUp: false });
  }

  #settle(): "settled" {
    this.#attempt = 0;
    this.#trouble = undefined;
    return "settled";
  }

  #fail<T>(reason: string, outcome: T): T {
    this.#trouble = { sinceMs: this.#trouble?.sinceMs ?? this.#options.clock.now().getTime(), reason };
    return outcome;
  }

  #tell(): void {
    const status: InsightStatus = {
      url: this.#url,
      sentExchanges: this.#sentExchanges,
      sentBytes: this.#sentBytes,
      waitingExchanges: this.#queue.size,
      lost: this.#queue.lost,
      trouble: this.#trouble,
    };
    const text = JSON.stringify(status);
    if (text === this.#lastStatus) return;
    this.#lastStatus = text;
    this.#options.post({ type: "status", status });
  }
}
