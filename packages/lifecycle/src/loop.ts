import type { Clock } from "./clock.ts";
import type { Component } from "./run.ts";

export interface LoopOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Pause between the end of one pass and the start of the next. */
  readonly intervalMs: number | (() => number);
  /** One pass. A rejection is given to `onError` and the loop goes on. */
  readonly pass: (signal: AbortSignal) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** A component that runs `pass` again and again, never two passes at once, until it is stopped. */
export function createLoop(options: LoopOptions): Component {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await options.pass(stopping.signal);
      } catch (error) {
        if (stopping.signal.aborted) return;
        options.onError(error);
      }
      const intervalMs = typeof options.intervalMs === "number" ? options.intervalMs : options.intervalMs();
      try {
        await options.clock.sleep(intervalMs, stopping.signal);
      } catch {
        return; // stopped while waiting
      }
    }
  }

  return {
    name: options.name,
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error(`${options.name} is stopping`));
      await running;
    },
  };
}
