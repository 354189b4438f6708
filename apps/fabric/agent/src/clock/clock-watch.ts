import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";

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
  readonly logger: Logger;
}): Component {
  const { clock } = options;
  const offset = (): number => clock.now().getTime() - clock.monotonicMs();
  let lastMs: number | undefined;
  return createLoop({
    name: "clock-watch",
    clock,
    intervalMs: lookMs,
    pass: async () => {
      const nowMs = offset();
      const movedMs = nowMs - (lastMs ?? nowMs);
      lastMs = nowMs;
      if (Math.abs(movedMs) >= jumpMs) options.onJump(movedMs);
    },
    onError: (error) => options.logger.warn({ err: error }, "the jump of the clock was not acted upon"),
  });
}
