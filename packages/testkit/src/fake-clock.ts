import type { Clock } from "@drawbridge/lifecycle";

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

/**
 * A clock that stands still until the test moves it. The pattern is
 *
 *     await clock.waitForSleep(); // the code under test has come to its pause
 *     clock.advance(30_000);      // and now the pause is over
 */
export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  #sleepers: Sleeper[] = [];
  #watchers: { readonly count: number; readonly resolve: () => void }[] = [];

  constructor(start: Date = new Date("2026-01-01T00:00:00Z")) {
    this.#nowMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (ms <= 0) return;
    const slept = Promise.withResolvers<void>();
    const sleeper: Sleeper = { dueMs: this.#monotonicMs + ms, wake: slept.resolve };
    const abort = (): void => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
      slept.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#sleepers.push(sleeper);
    this.#tellWatchers();
    try {
      await slept.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Move both clocks on and wake, in order, everybody whose time has come. All of them see the new time. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.dueMs <= this.#monotonicMs);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.dueMs > this.#monotonicMs);
    for (const sleeper of due.toSorted((a, b) => a.dueMs - b.dueMs)) sleeper.wake();
  }

  /** Set the wall clock only: somebody corrected it, or the machine was suspended. Nobody wakes up. */
  jumpTo(now: Date): void {
    this.#nowMs = now.getTime();
  }

  /** How long each sleeper still has to sleep, shortest first. */
  get sleepingMs(): readonly number[] {
    return this.#sleepers.map(({ dueMs }) => dueMs - this.#monotonicMs).toSorted((a, b) => a - b);
  }

  /** Resolves when at least `count` sleeps are under way. */
  waitForSleep(count = 1): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#watchers.push({ count, resolve: waiting.resolve });
    this.#tellWatchers();
    return waiting.promise;
  }

  #tellWatchers(): void {
    const sleeping = this.#sleepers.length;
    const satisfied = this.#watchers.filter(({ count }) => sleeping >= count);
    this.#watchers = this.#watchers.filter(({ count }) => sleeping < count);
    for (const { resolve } of satisfied) resolve();
  }
}
