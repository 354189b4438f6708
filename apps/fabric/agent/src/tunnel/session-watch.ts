import type { Clock, Component } from "@drawbridge/lifecycle";
import type { TunnelState } from "./tunnel-state.ts";

/** R13: what no retry has healed in this time, a new process may. */
export const restartAfterMs = 30 * 60_000;
const lookMs = 10_000;

/** Calls `onOverdue` once when there has been no session for too long, counted from the start or from the last one. */
export function createSessionWatch(options: {
  readonly state: () => Pick<TunnelState, "status">;
  readonly onOverdue: (withoutMs: number) => void;
  readonly clock: Clock;
}): Component {
  const { state, clock } = options;
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    let lastMs = clock.monotonicMs();
    for (;;) {
      await clock.sleep(lookMs, stopping.signal);
      const nowMs = clock.monotonicMs();
      if (state().status === "connected") lastMs = nowMs;
      else if (nowMs - lastMs >= restartAfterMs) return options.onOverdue(nowMs - lastMs);
    }
  }

  return {
    name: "session-watch",
    start: () => {
      running = run().catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort(new Error("the agent is stopping"));
      await running;
    },
  };
}
