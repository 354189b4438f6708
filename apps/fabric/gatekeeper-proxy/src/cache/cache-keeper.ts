import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { CacheContent, DiskCache } from "./disk-cache.ts";

interface CacheKeeperDeps {
  readonly cache: Pick<DiskCache, "write">;
  /** What the disk should hold; `undefined`: nothing is known yet. */
  readonly content: () => CacheContent | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CacheKeeper extends Component {
  /** What the disk should hold has changed. */
  readonly changed: () => void;
  /** For health: what is wrong with the disk. */
  readonly failure: () => string | undefined;
}

/** Changes that come together are one write, and a busy control plane makes one a second. */
const coalesceMs = 200;
const betweenWritesMs = 1_000;
const retryMs = 10_000;
/** So that the age of a cache shows when the connection was lost, not when something last changed. */
const confirmEveryMs = 600_000;

/** Writes the cache behind the gates' back: no gate waits for a disk, and a disk that is full is an alarm. */
export function createCacheKeeper({ cache, content, clock, logger }: CacheKeeperDeps): CacheKeeper {
  const stopping = new AbortController();
  let wake = new AbortController();
  let isChanged = false;
  let failure: string | undefined;
  let running = Promise.resolve();

  async function write(): Promise<void> {
    const wanted = content();
    if (wanted === undefined) return;
    try {
      await cache.write(wanted);
      if (failure !== undefined) logger.info({}, "the cache can be written again");
      failure = undefined;
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
      if (failure === undefined)
        logger.error(
          { err: error },
          "the cache cannot be written: after a restart without connection older policies, or none, would be found",
        );
      failure = `the cache cannot be written (${code})`;
      isChanged = true;
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      if (!isChanged) {
        wake = new AbortController();
        const signal = AbortSignal.any([wake.signal, stopping.signal]);
        await clock.sleep(confirmEveryMs, signal).catch(() => undefined); // woken
        await clock.sleep(coalesceMs, stopping.signal).catch(() => undefined); // stopped
      }
      isChanged = false;
      await write();
      const pauseMs = failure === undefined ? betweenWritesMs : retryMs;
      await clock.sleep(pauseMs, stopping.signal).catch(() => undefined); // stopped
    }
    if (isChanged) await write();
  }

  return {
    name: "cache",
    changed: () => {
      isChanged = true;
      wake.abort();
    },
    failure: () => failure,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
