import { DrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component, type HealthCheck } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { readFile, rename, writeFile } from "node:fs/promises";
import type { ListCompleteness } from "../store/list-completeness.ts";

export interface RestoreGuard extends Component {
  /**
   * Before the list is given to somebody who has none.
   * @throws DrawbridgeError `REVOCATION_LIST_INCOMPLETE` (unavailable)
   */
  assertComplete(): Promise<void>;
  readonly health: HealthCheck;
}

export interface RestoreGuardOptions {
  readonly read: () => Promise<ListCompleteness>;
  readonly markIncomplete: () => Promise<void>;
  /** Of this replica, where a restore of the database does not reach. */
  readonly file: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const intervalMs = 2_000;

/**
 * Notices without the bus that the database was restored to an earlier state: this replica keeps the newest position that it
 * has seen in a file. A list that lacks revocations is given to nobody who has none, until it was compared with the mirror;
 * who has one keeps it and gets what is new. (Loaded readers notice a restore as well: they know later positions.)
 */
export function createRestoreGuard(options: RestoreGuardOptions): RestoreGuard {
  const { file, clock, logger } = options;
  let isChecked = false;
  let isIncomplete = false;
  let written: bigint | undefined;
  let isUnwritable = false;

  /** The database may be away at the start: whoever is first checks, once. */
  async function look(): Promise<ListCompleteness> {
    const found = await options.read();
    if (isChecked) return report(found);
    const seen = await readMark(file);
    if (seen > found.lastPosition) await options.markIncomplete();
    isChecked = true;
    written = seen;
    return report(seen > found.lastPosition ? { ...found, isIncomplete: true } : found);
  }

  function report(found: ListCompleteness): ListCompleteness {
    if (found.isIncomplete && !isIncomplete) {
      logger.error(
        {},
        "security: the database was restored to an earlier state, and lacks revocations until NATS can be asked: services that start get no list",
      );
    }
    if (!found.isIncomplete && isIncomplete) logger.info({}, "the revocation list is complete again");
    isIncomplete = found.isIncomplete;
    return found;
  }

  async function pass(): Promise<void> {
    const { isIncomplete: lacks, newestPosition } = await look();
    if (lacks || newestPosition === written) return;
    try {
      await writeFile(`${file}.new`, `${newestPosition}\n`, { mode: 0o600, flush: true });
      await rename(`${file}.new`, file);
      written = newestPosition;
      isUnwritable = false;
    } catch (error) {
      if (!isUnwritable) logger.warn({ err: error, file }, "a restore of the database would not be noticed here");
      isUnwritable = true;
    }
  }

  const loop = createLoop({
    name: "restore guard",
    clock,
    intervalMs,
    pass,
    onError: (error) => logger.debug({ err: error }, "it is not known whether the database was restored"),
  });
  return {
    name: "restore guard",
    assertComplete: async () => {
      if (!(await look()).isIncomplete) return;
      throw new DrawbridgeError({
        kind: "unavailable",
        code: "REVOCATION_LIST_INCOMPLETE",
        message: "the database was restored and lacks revocations; the list is given out once NATS has been asked",
        retryAfterMs: intervalMs,
      });
    },
    health: () => (isIncomplete ? "the revocation list lacks what was revoked after the backup" : undefined),
    start: (signal) => loop.start(signal),
    stop: (deadline) => loop.stop(deadline),
  };
}

/** 0 if there is none, or none that can be read: nothing is known then. */
async function readMark(file: string): Promise<bigint> {
  const text = (await readFile(file, "utf8").catch(() => "")).trim();
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
}
