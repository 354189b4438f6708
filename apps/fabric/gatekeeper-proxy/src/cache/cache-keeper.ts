import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { CacheContent, DiskCache } from "./disk-cache.ts";

interface CacheKeeperDeps {
  readonly cache: Pick<DiskCache, "write">;
  /** What the disk should hold of these APIs; `undefined`: nothing is known yet. */
  readonly content: (changed: ReadonlySet<string>) => CacheContent | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CacheKeeper extends Component {
  /** What the disk should hold has changed: the root, and of these APIs the wish. */
  readonly changed: (keys?: Iterable<string>) => void;
  /** For health: what is wrong with the disk. */
  readonly failure: () => string | undefined;
  /** "ok": a restart now would find what is wanted. Else "being written", or what is wrong. */
  readonly state: () => string;
}

/** Changes that come together are one write; it costs what has changed, not what there is. */
const coalesceMs = 50;
const betweenWritesMs = 250;
const retryMs = 10_000;
/** So that the age of a cache shows when the connection was lost, not when something last changed. */
const confirmEveryMs = 600_000;

/** Writes the cache behind the gates' back: no gate waits for a disk, and a disk that is full is an alarm. */
export function createCacheKeeper({ cache, content, clock, logger }: CacheKeeperDeps): CacheKeeper {
  const stopping = new AbortController();
  let wake = new AbortController();
  let changes = new Set<string>();
  let isChanged = false;
  let isWriting = false;
  let failure: string | undefined;
  let running = Promise.resolve();

  async function write(): Promise<void> {
    const wanted = content(changes);
    if (wanted === undefined) return;
    const taken = changes;
    changes = new Set();
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
      for (const key of taken) changes.add(key);
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
      isWriting = true;
      await write();
      isWriting = false;
      const pauseMs = failure === undefined ? betweenWritesMs : retryMs;
      await clock.sleep(pauseMs, stopping.signal).catch(() => undefined); // stopped
    }
    if (isChanged) await write();
  }

  return {
    name: "cache",
    changed: (keys = []) => {
      for (const key of keys) changes.add(key);
      isChanged = true;
      wake.abort();
    },
    failure: () => failure,
    state: () => failure ?? (isChanged || isWriting ? "being written" : "ok"),
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
