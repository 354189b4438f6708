import { constants, zstdCompressSync } from "node:zlib";
import { createPastTime, type Clock, type Random } from "@drawbridge/lifecycle";
import { batchHead } from "@drawbridge/request-batch";
import type { Logger } from "@drawbridge/telemetry";
import type { RecordedRequests } from "../workers/protocol.ts";
import type { ExporterStart, ExporterStatus, FromExporter, ToExporter } from "./exporter-protocol.ts";
import { LeftSpools, type SpoolPlace } from "./left-spools.ts";
import { createAccessKeeper } from "./sender/access-keeper.ts";
import { createIngestClient } from "./sender/ingest-client.ts";
import { createSentLedger, type SentLedger } from "./sender/sent-ledger.ts";
import { Sender } from "./sender/sender.ts";
import { gapOf, type Loss, type LossReason } from "./spool/gap-list.ts";
import type { SpoolLimits } from "./spool/spool-options.ts";
import { Spool } from "./spool/spool.ts";

interface ExporterOptions {
  readonly start: ExporterStart;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly post: (message: FromExporter) => void;
}

/** Batches that come within so long share a write to the disk. */
const commitAfterMs = 50;
const reviewEveryMs = 10_000;
const statusEveryMs = 1_000;
const openAgainMs = 5_000;
const ledgerStopMs = 2_000;
const largestSegment = 8 * 1024 * 1024;
const smallestSegment = 64 * 1024;
const segmentsAtLeast = 8;
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

type Received = RecordedRequests | { readonly loss: Loss };

/**
 * batches from the workers -> spool -> disk -> sender -> analytics-ingest. A disk that cannot be used keeps batches waiting in
 * memory, up to what the workers' board allows; then they drop and count.
 */
export class Exporter {
  readonly #options: ExporterOptions;
  readonly #ingest = createIngestClient();
  readonly #access: ReturnType<typeof createAccessKeeper>;
  readonly #lost: Partial<Record<LossReason, number>> = {};
  readonly #stopping = new AbortController();
  readonly #left: LeftSpools;
  readonly #ledger: SentLedger;
  /** Of our own spool and of others. */
  readonly #senders: Sender[] = [];
  readonly #past: ReturnType<typeof createPastTime>;
  #received: Received[] = [];
  #spool: Spool | undefined;
  #sender: Sender | undefined;
  #openFailure: ExporterStatus["trouble"];
  #isCommitting = false;
  #lastStatus = "";
  #whenIdle: (() => void) | undefined;
  /** One after the other, so that nothing is appended after the end. */
  #taking: Promise<void> = Promise.resolve();
  readonly #ready = Promise.withResolvers<void>();

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#past = createPastTime(options.clock);
    this.#access = createAccessKeeper({
      ask: (refusedToken) => options.post({ type: "access_wanted", refusedToken }),
      clock: options.clock,
    });
    const { clock, logger, start } = options;
    this.#ledger = createSentLedger({ directory: start.egressDirectory, clock, logger });
    this.#left = new LeftSpools({
      leftDirectory: options.start.leftDirectory,
      ownDirectory: options.start.takenDirectory,
      openSpool: (place) => Spool.open(this.#spoolOptions(place)),
      createSender: (spool) => this.#createSender(spool, () => undefined),
      clock: options.clock,
      logger: options.logger,
    });
  }

  receive(message: Exclude<ToExporter, { type: "stop" }>): void {
    switch (message.type) {
      case "requests":
        this.#received.push(message);
        return void this.#takeReceived();
      case "lost":
        this.#received.push({ loss: { ...message.loss, reason: "overloaded" } });
        return void this.#takeReceived();
      case "trust":
        this.#ingest.trust(message.bundle);
        return this.#senders.forEach((sender) => sender.wake());
      case "access":
        return this.#access.answered(message.access);
    }
  }

  /** Until `stop`. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    await this.#ledger.start(signal).catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, "egress ledger cannot be read");
    });
    const running = [
      this.#every(reviewEveryMs, () => this.#review()),
      this.#every(statusEveryMs, () => this.#tellLosses()),
      this.#every(statusEveryMs, () => this.#tell()),
      this.#left.run(signal),
    ];
    const spool = await this.#open();
    if (spool !== undefined) {
      const sender = this.#createSender(spool, () => {
        if (sender.isIdle || sender.trouble !== undefined) this.#whenIdle?.();
        this.#commitSoon();
      });
      this.#spool = spool;
      this.#sender = sender;
      await this.#takeReceived();
      this.#ready.resolve();
      await sender.run(signal);
    }
    await Promise.all(running);
  }

  #createSender(spool: Spool, onChange: () => void): Sender {
    const { clock, random, post, start } = this.#options;
    const sender = new Sender({
      spool,
      directory: start.directory,
      access: this.#access,
      ingest: this.#ingest,
      ledger: this.#ledger,
      clock,
      random,
      onPace: (flushEveryMs) => post({ type: "pace", flushEveryMs }),
      onChange,
    });
    this.#senders.push(sender);
    return sender;
  }

  /** Deliver what there is, as long as that goes well. */
  async stop(withinMs: number): Promise<void> {
    const { clock } = this.#options;
    const waiting = new AbortController();
    const timeIsUp = clock.sleep(withinMs, waiting.signal).catch(() => undefined); // not needed any more
    await Promise.race([this.#ready.promise, timeIsUp]);
    await this.#takeReceived();
    await this.#spool?.commit();
    const sender = this.#sender;
    if (sender !== undefined && sender.trouble === undefined) {
      const idle = Promise.withResolvers<void>();
      this.#whenIdle = idle.resolve;
      sender.wake();
      await Promise.race([idle.promise, timeIsUp]);
    }
    waiting.abort();
    this.#stopping.abort();
    this.#access.answered({ failure: "STOPPING" }); // whoever waits for it
    this.#ingest.close();
  }

  /** After `run` has ended. */
  async close(): Promise<void> {
    await this.#takeReceived();
    await this.#spool?.close();
    await this.#ledger.stop(AbortSignal.timeout(ledgerStopMs));
    this.#tell();
  }

  async #open(): Promise<Spool | undefined> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const spool = await Spool.open(this.#spoolOptions(this.#options.start));
        if (this.#openFailure !== undefined) logger.info({}, "requests can be kept on the disk again");
        this.#openFailure = undefined;
        return spool;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (this.#openFailure === undefined) logger.error({ err: error }, "requests cannot be kept on the disk");
        this.#openFailure ??= { sinceMs: clock.now().getTime(), reason };
        await clock.sleep(openAgainMs, signal).catch(() => undefined); // stopped
      }
    }
    return undefined;
  }

  #spoolOptions({ directory, gatewayId, recordedBefore }: SpoolPlace): Parameters<typeof Spool.open>[0] {
    const { start, clock, logger } = this.#options;
    const { spoolBytes, maxAgeMs } = start;
    const segmentBytes = Math.min(largestSegment, Math.max(smallestSegment, Math.floor(spoolBytes / segmentsAtLeast)));
    const limits: SpoolLimits = { bytes: spoolBytes, segmentBytes, ageMs: maxAgeMs };
    return {
      directory,
      limits,
      recordedBefore,
      clock,
      pastMs: () => this.#past.now.getTime(),
      encode: ({ epoch, sequence }, losses, body) => {
        const head = batchHead({ gatewayId, epoch: BigInt(epoch), sequence: BigInt(sequence) }, losses.map(gapOf));
        return zstdCompressSync(Buffer.concat([head, body]), compression);
      },
      onLoss: ({ reason, requests }) => {
        if (this.#lost[reason] === undefined) logger.warn({ reason, requests }, "requests are not told of one by one");
        this.#lost[reason] = (this.#lost[reason] ?? 0) + requests;
      },
    };
  }

  #takeReceived(): Promise<void> {
    this.#taking = this.#taking.then(async () => {
      if (this.#spool !== undefined) await this.#takeAll(this.#spool);
    });
    return this.#taking;
  }

  async #takeAll(spool: Spool): Promise<void> {
    const received = this.#received;
    this.#received = [];
    for (const each of received) {
      if ("loss" in each) spool.receiveLoss(each.loss);
      else {
        const { body, rows } = each;
        await spool.append({ ...each, body: new Uint8Array(body) });
        this.#options.post({ type: "taken", bytes: body.byteLength, rows });
      }
    }
    this.#commitSoon();
  }

  #commitSoon(): void {
    if (this.#isCommitting || this.#spool?.isPending !== true) return;
    this.#isCommitting = true;
    void this.#commit(this.#spool);
  }

  async #commit(spool: Spool): Promise<void> {
    while (spool.isPending && !this.#stopping.signal.aborted) {
      await this.#options.clock.sleep(commitAfterMs, this.#stopping.signal).catch(() => undefined); // stopped
      if (await spool.commit()) this.#sender?.wake();
    }
    this.#isCommitting = false;
  }

  async #review(): Promise<void> {
    this.#past.look();
    await this.#spool?.review();
    this.#commitSoon();
  }

  /** Where requests wait, they tell of it; an exporter that cannot deliver has time. */
  async #tellLosses(): Promise<void> {
    const sender = this.#sender;
    if (sender === undefined || !sender.isIdle || sender.trouble !== undefined || !sender.takesLossesAlone) return;
    await this.#spool?.appendLosses();
    this.#commitSoon();
  }

  async #every(ms: number, work: () => Promise<void> | void): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        logger.error({ err: error }, "the spool of requests could not be looked at");
      }
      await clock.sleep(ms, signal).catch(() => undefined); // stopped
    }
  }

  #tell(): void {
    const sum = (count: (sender: Sender) => number): number =>
      this.#senders.reduce((total, sender) => total + count(sender), 0);
    const status: ExporterStatus = {
      spool: this.#spool?.stats(),
      takenOver: this.#left.requests,
      sentBatches: sum(({ sentBatches }) => sentBatches),
      sentRequests: sum(({ sentRequests }) => sentRequests),
      refusedBatches: sum(({ refusedBatches }) => refusedBatches),
      lost: this.#lost,
      trouble: this.#openFailure ?? this.#sender?.trouble,
    };
    const text = JSON.stringify(status);
    if (text === this.#lastStatus) return;
    this.#lastStatus = text;
    this.#options.post({ type: "status", status });
  }
}
