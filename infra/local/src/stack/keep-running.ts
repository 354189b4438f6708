import { toError } from "@drawbridge/errors";
import { type Clock, systemClock } from "@drawbridge/lifecycle";
import type { ManagedProcess } from "../backing/managed-process.ts";

const firstPauseMs = 250;
const longestPauseMs = 10_000;

/** Start processes again when they die, as an operating system's supervisor would; `stop` ends the watch, not the processes. */
export function keepRunning(
  processes: readonly ManagedProcess[],
  { warn, clock = systemClock }: { readonly warn: (message: string) => void; readonly clock?: Clock },
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<"stopped">((resolve) =>
    signal.addEventListener("abort", () => resolve("stopped"), { once: true }),
  );

  async function keep(managed: ManagedProcess): Promise<void> {
    let pauseMs = firstPauseMs;
    for (;;) {
      const exit = await Promise.race([managed.exited, stopped]);
      if (exit === "stopped") return;
      warn(`${managed.name} ended with ${exit.signal ?? `exit code ${exit.code}`}; starting it again`);
      try {
        await managed.start();
        warn(`${managed.name} runs again`);
        pauseMs = firstPauseMs;
      } catch (error) {
        warn(toError(error).message);
        await clock.sleep(pauseMs, signal).catch(() => undefined); // ends when stopped
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      }
    }
  }

  const kept = Promise.all(processes.map(keep));
  return {
    stop: async () => {
      stopping.abort(new Error("stopping"));
      await kept;
    },
  };
}
