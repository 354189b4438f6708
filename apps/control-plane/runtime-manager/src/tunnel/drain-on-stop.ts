import type { Clock, Component } from "@drawbridge/lifecycle";
import type { HelloGate } from "./hello-gate.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { Supervisor } from "./supervise.ts";

/** Agents open their next tunnel before they close this one; those that have nowhere to go are not waited for. */
const longestWaitMs = 2_000;
const lookEveryMs = 50;

/** When this replica stops, its agents are told to come back elsewhere, and their streams end in order (design R15). */
export function createDrainOnStop(deps: {
  readonly gate: HelloGate;
  readonly supervisor: Pick<Supervisor, "drainAll">;
  readonly registry: SessionRegistry;
  readonly clock: Clock;
}): Component {
  const { registry, clock } = deps;
  return {
    name: "tunnels",
    start: () => Promise.resolve(),
    stop: async (deadline) => {
      deps.gate.close();
      deps.supervisor.drainAll("shutdown");
      const giveUpAtMs = clock.monotonicMs() + longestWaitMs;
      while (registry.size > 0 && clock.monotonicMs() < giveUpAtMs && !deadline.aborted) {
        await clock.sleep(lookEveryMs);
      }
      for (const session of [...registry.all(), ...registry.retiring()]) session.end({ reason: "drained" });
    },
  };
}
