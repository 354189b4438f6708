import type { Clock, Component } from "@drawbridge/lifecycle";

/** Design R21: wall and monotonic clock are compared this often. */
export const lookMs = 15_000;
/** Less is the steady correction by NTP and a busy machine. */
const jumpMs = 5_000;

/**
 * Notices that the wall clock moved by more, or less, than time went by: the machine was suspended, or its clock was set. Timers
 * do not notice either.
 */
export function createClockWatch(options: {
  readonly onJump: (jumpMs: number) => void;
  readonly clock: Clock;
}): Component {
  const { clock } = options;
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const offset = (): number => clock.now().getTime() - clock.monotonicMs();

  async function run(): Promise<void> {
    let lastMs = offset();
    while (!stopping.signal.aborted) {
      await clock.sleep(lookMs, stopping.signal).catch(() => undefined); // ends when stopped
      const movedMs = offset() - lastMs;
      lastMs += movedMs;
      if (Math.abs(movedMs) >= jumpMs && !stopping.signal.aborted) options.onJump(movedMs);
    }
  }

  return {
    name: "clock-watch",
    start: () => {
      running = run();
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      await running;
    },
  };
}
