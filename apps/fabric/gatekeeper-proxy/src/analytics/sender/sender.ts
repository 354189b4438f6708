import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import type { SpooledBatch } from "../spool/spool-options.ts";
import type { Spool } from "../spool/spool.ts";
import type { AccessKeeper } from "./access-keeper.ts";
import type { IngestClient, IngestReply, IngestTarget } from "./ingest-client.ts";
import type { SentLedger } from "./sent-ledger.ts";
import { keepRejected } from "./rejected-batches.ts";

interface SenderOptions {
  readonly spool: Spool;
  readonly directory: string;
  readonly access: AccessKeeper;
  readonly ingest: Pick<IngestClient, "post">;
  readonly ledger: Pick<SentLedger, "sent">;
  readonly clock: Clock;
  readonly random: Random;
  readonly onPace: (flushEveryMs: number) => void;
  /** Something was settled, or failed. */
  readonly onChange: () => void;
}

const mostInFlight = 16;
const mostBytesInFlight = 4 * 1024 * 1024;
const baseMs = 500;
const capMs = 30_000;
const longestRetryAfterMs = 600_000;
/** Such an answer says that the batch will never be taken. */
const refusals: ReadonlySet<number> = new Set([400, 413, 422]);

/*
 * Delivers the spool, for ever.
 *
 * Invariants: several batches are under way, of bounded size; after a failure nothing new is sent until all of them are over
 * and the pause has passed, and then the oldest come first. A batch is settled by an answer to it and by nothing else.
 */
export class Sender {
  readonly #options: SenderOptions;
  #inFlight = 0;
  #bytesInFlight = 0;
  #attempt = 0;
  #pauseMs: number | undefined;
  #changed = Promise.withResolvers<void>();
  #hasNothing = false;
  sentBatches = 0;
  sentRequests = 0;
  refusedBatches = 0;
  /** Whether the server takes batches that tell of losses alone. */
  takesLossesAlone = true;
  trouble: { readonly sinceMs: number; readonly reason: string } | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Nothing waits and nothing is under way. */
  get isIdle(): boolean {
    return this.#hasNothing && this.#inFlight === 0;
  }

  /** There may be something new to send, or a better reason to try again. */
  wake(): void {
    this.#hasNothing = false;
    this.#changed.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#changed.resolve(), { once: true });
    while (!signal.aborted) {
      if (this.#pauseMs !== undefined) await this.#recover(this.#pauseMs, signal);
      else if (this.#inFlight >= mostInFlight || this.#bytesInFlight >= mostBytesInFlight) await this.#change();
      else await this.#sendNext();
    }
    while (this.#inFlight > 0) await this.#change();
  }

  async #change(): Promise<void> {
    await this.#changed.promise;
    this.#changed = Promise.withResolvers();
  }

  async #recover(pauseMs: number, signal: AbortSignal): Promise<void> {
    while (this.#inFlight > 0) await this.#change();
    this.#pauseMs = undefined;
    await this.#options.spool.rewind();
    await this.#options.clock.sleep(pauseMs, signal).catch(() => undefined); // stopped
  }

  async #sendNext(): Promise<void> {
    const batch = await this.#options.spool.next();
    if (batch === undefined) {
      this.#hasNothing = this.#inFlight === 0;
      if (this.#hasNothing) this.trouble = undefined;
      this.#options.onChange();
      return this.#change();
    }
    let access: IngestTarget;
    try {
      access = await this.#options.access.get();
    } catch (error) {
      return this.#fail(messageOf(error));
    }
    this.#inFlight += 1;
    this.#bytesInFlight += batch.payload.length;
    void this.#send(batch, access).finally(() => {
      this.#inFlight -= 1;
      this.#bytesInFlight -= batch.payload.length;
      this.#changed.resolve();
    });
  }

  async #send(batch: SpooledBatch, target: IngestTarget): Promise<void> {
    let reply: IngestReply;
    try {
      const { ingest, ledger } = this.#options;
      const { url } = target;
      reply = await ingest.post(target, batch.payload, () => ledger.sent(url, batch.payload.length));
    } catch (error) {
      return this.#fail(messageOf(error));
    }
    const { status, retryAfterMs, minFlushMs } = reply;
    if (status >= 200 && status < 300) {
      await this.#options.spool.settle(batch);
      this.sentBatches += 1;
      this.sentRequests += batch.head.rows;
      if (minFlushMs !== undefined) this.#options.onPace(minFlushMs);
      return this.#succeed();
    }
    if (refusals.has(status)) {
      await this.#refuse(batch);
      return this.#succeed();
    }
    if (status === 401 || status === 403) this.#options.access.refused(target.token);
    this.#fail(`HTTP_${status}`, status === 429 || status === 503 ? retryAfterMs : undefined);
  }

  async #refuse(batch: SpooledBatch): Promise<void> {
    const { spool, directory } = this.#options;
    const { accounted, rows, fromMs, toMs } = batch.head;
    if (rows === 0) this.takesLossesAlone = false; // an older one: they go with the next requests
    this.refusedBatches += 1;
    await keepRejected(directory, batch.head, batch.payload);
    spool.lose({ requests: accounted, fromMs, toMs, reason: "refused" }, accounted - rows);
    await spool.settle(batch);
  }

  #succeed(): void {
    this.#attempt = 0;
    this.trouble = undefined;
    this.#options.onChange();
  }

  #fail(reason: string, retryAfterMs = 0): void {
    const { clock, random } = this.#options;
    this.trouble = { sinceMs: this.trouble?.sinceMs ?? clock.now().getTime(), reason };
    if (this.#pauseMs === undefined) {
      const jitterMs = fullJitterDelayMs({ attempt: this.#attempt, baseMs, capMs, random });
      this.#pauseMs = Math.max(0, Math.min(retryAfterMs, longestRetryAfterMs)) + jitterMs;
      this.#attempt += 1;
    }
    this.#options.onChange();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
