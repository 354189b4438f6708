import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { readRecordedCounts, type RecordedCount } from "./recorded-counts.ts";
import type { Sender } from "./sender/sender.ts";
import type { Spool } from "./spool/spool.ts";

/** A spool in its folder, and who reported what is in it. */
export interface SpoolPlace {
  readonly directory: string;
  readonly gatewayId: string;
  readonly recordedBefore: RecordedCount | undefined;
}

interface LeftSpoolsOptions {
  /** Where the agent puts spools of gateways that are gone: `<gateway>.<when>`. */
  readonly leftDirectory: string;
  /** Ours alone: what we took over and did not finish. */
  readonly ownDirectory: string;
  readonly openSpool: (place: SpoolPlace) => Promise<Spool>;
  readonly createSender: (spool: Spool) => Sender;
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookEveryMs = 5_000;
const reviewEveryMs = 1_000;
const namePattern = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.\d{1,16}$/;

/**
 * Takes over what gateways that are gone have not delivered.
 *
 * Invariants: only whoever is sure that a gateway is gone puts its spool into `leftDirectory`; who renames it into a folder of its
 * own has it alone. Its batches keep the names that they have, whoever delivers them.
 */
export class LeftSpools {
  readonly #options: LeftSpoolsOptions;
  readonly #open = new Map<string, Spool>();

  constructor(options: LeftSpoolsOptions) {
    this.#options = options;
  }

  /** Requests of others that wait here. */
  get requests(): number {
    return [...this.#open.values()].reduce((sum, spool) => sum + spool.stats().requests, 0);
  }

  /** Until `signal` aborts: what is not delivered then is taken up by the next process with our folder. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const delivering = new Map<string, Promise<void>>();
    while (!signal.aborted) {
      await this.#claim().catch((error: unknown) => logger.warn({ err: error }, "no spool can be taken over"));
      for (const name of await namesIn(this.#options.ownDirectory)) {
        if (delivering.has(name)) continue;
        const delivered = this.#deliver(name, signal)
          .catch((error: unknown) => logger.warn({ err: error, spool: name }, "a spool cannot be taken over"))
          .finally(() => delivering.delete(name));
        delivering.set(name, delivered);
      }
      await clock.sleep(lookEveryMs, signal).catch(() => undefined); // stopped
    }
    await Promise.all(delivering.values());
  }

  /** One of several gateways gets each; the others find nothing there. */
  async #claim(): Promise<void> {
    const { leftDirectory, ownDirectory, logger } = this.#options;
    for (const name of await namesIn(leftDirectory)) {
      await mkdir(ownDirectory, { recursive: true, mode: 0o700 });
      try {
        await rename(join(leftDirectory, name), join(ownDirectory, name));
        logger.info({ spool: name }, "requests of a gateway that is gone are taken over");
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      }
    }
  }

  async #deliver(name: string, signal: AbortSignal): Promise<void> {
    const { ownDirectory, openSpool, createSender, logger } = this.#options;
    const directory = join(ownDirectory, name);
    const gatewayId = namePattern.exec(name)?.[1] ?? "";
    const recordedBefore = readRecordedCounts(join(directory, "recorded"));
    const spool = await openSpool({ directory, gatewayId, recordedBefore });
    this.#open.set(name, spool);
    const over = new AbortController();
    const sender = createSender(spool);
    const sending = sender.run(AbortSignal.any([signal, over.signal]));
    try {
      const isDelivered = await this.#watch(spool, sender, signal);
      over.abort();
      await sending;
      await spool.close();
      if (!isDelivered || spool.stats().damaged > 0) return; // or somebody may want to look at it
      await rm(directory, { recursive: true, force: true });
      logger.info({ spool: name }, "requests of a gateway that is gone are delivered");
    } finally {
      this.#open.delete(name);
    }
  }

  /** True: nothing is left; false: stopped before. */
  async #watch(spool: Spool, sender: Sender, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      if (signal.aborted) return false;
      await spool.review();
      if (sender.isIdle && spool.stats().requests === 0) {
        if (!spool.hasLosses) return true;
        if (sender.takesLossesAlone) await spool.appendLosses();
      }
      if (await spool.commit()) sender.wake();
      await this.#options.clock.sleep(reviewEveryMs, signal).catch(() => undefined); // stopped
    }
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch(() => []); // nobody has left anything yet
  return names.filter((name) => namePattern.test(name));
}
