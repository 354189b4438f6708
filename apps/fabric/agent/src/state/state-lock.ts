import type { Clock, Component } from "@drawbridge/lifecycle";
import { acquireLock, type FileLock } from "./run-lock.ts";

export const runPurpose = "`drawbridge-agent run`";

/** Holds the state folder while the agent runs: a second `run` on it is refused at its start. */
export function createStateLock(options: { readonly path: string; readonly clock: Pick<Clock, "now"> }): Component {
  let lock: FileLock | undefined;
  return {
    name: "state-lock",
    start: async () => {
      lock = await acquireLock({ path: options.path, purpose: runPurpose, now: options.clock.now() });
    },
    stop: async () => {
      await lock?.release();
      lock = undefined;
    },
  };
}
