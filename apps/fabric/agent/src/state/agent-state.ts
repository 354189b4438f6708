import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { z } from "zod";
import { createJsonFile } from "./json-file.ts";

const schema = z.object({
  schemaVersion: z.literal(1),
  /** Of the last connection attempt; grows by one with each and never goes back. */
  epoch: z.number().int().nonnegative(),
  /** This machine's clock minus the control plane's, when it was last measured. */
  clockSkewMs: z.number().optional(),
  /** Bundle that each app last ran from: kept although newer wishes name another. */
  appliedBundles: z.record(z.string(), z.string()),
});

export type AgentState = z.output<typeof schema>;

/** state.json: what the agent must remember that no other file says. */
export interface AgentStateStore {
  /** Call once before the others. */
  load(): Promise<void>;
  get(): AgentState;
  /** Applied one after the other; durable when it resolves. Where it rejects the change holds for this process only. */
  update(change: (state: AgentState) => AgentState): Promise<void>;
}

export function createAgentStateStore(options: {
  readonly path: string;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}): AgentStateStore {
  const file = createJsonFile({ ...options, schema });
  let state: AgentState = { schemaVersion: 1, epoch: 0, appliedBundles: {} };
  let writing: Promise<unknown> = Promise.resolve();
  return {
    async load() {
      const stored = await file.read();
      // Without the file the last epoch is unknown; seconds since 1970 are higher than any count of attempts.
      state = stored ?? { ...state, epoch: Math.floor(options.clock.now().getTime() / 1_000) };
    },
    get: () => state,
    update(change) {
      const written = writing.then(async () => {
        const changed = change(state);
        if (changed === state) return;
        state = changed; // also where the disk is full: within this process nothing goes back
        await file.write(changed);
      });
      writing = written.catch(() => undefined); // the caller hears of it; the next update goes on
      return written;
    },
  };
}
