import type { Clock, Component } from "@drawbridge/lifecycle";
import { createTokenBucket } from "@drawbridge/rpc";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import type { NoteUnproven, Recoveries, RecoveryRefusal } from "../domain/recover-agent.ts";

/** Refusals of callers that have proven nothing. */
export interface UnprovenRefusals extends Component {
  readonly note: NoteUnproven;
}

const perAgentMs = 60_000;
/** What anybody may have written down, of however many agents he knows the ids. */
const written = { ratePerSecond: 1, burst: 20 } as const;
const rememberedAgents = 10_000;

/**
 * Anybody may ask without end, so not everything is written down. A refusal for an agent that does not exist is logged, for
 * one that does it is audited too: once a minute per agent, with the address of the first. All are counted.
 */
export function createUnprovenRefusals(deps: {
  readonly refuse: Recoveries["refuse"];
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly metrics: Pick<Metrics, "counter">;
  readonly logger: Logger;
}): UnprovenRefusals {
  const { logger } = deps;
  const counter = deps.metrics.counter("recoveries_refused_unproven", {
    description: "recoveries refused because nothing was proven, by whether there is such an agent",
  });
  // One each: who asks for agents that do not exist keeps no refusal of one that does out of the audit trail.
  const gates = { known: createGate(deps.clock), unknown: createGate(deps.clock) };
  const writing = new Set<Promise<void>>();

  async function audit(refusal: RecoveryRefusal): Promise<void> {
    try {
      await deps.refuse(refusal);
    } catch (error) {
      gates.known.reopen(refusal.agentId);
      logger.warn({ err: error, [field.agentId]: refusal.agentId }, "a refused recovery could not be audited");
    }
  }

  return {
    name: "unproven refusals",
    // Waits for nothing, so that the time of the answer tells nobody whether the agent exists.
    note: (refusal) => {
      const agent = refusal.fabricId === "" ? "unknown" : "known";
      counter.add(1, { agent });
      if (!gates[agent].pass(refusal.agentId)) return;
      const { agentId, code, remoteAddress } = refusal;
      const facts = { [field.agentId]: agentId, [field.errorCode]: code, [field.remoteAddress]: remoteAddress };
      logger.info({ ...facts, agent }, "recovery refused, nothing was proven");
      if (agent === "unknown") return;
      const write = audit({ ...refusal, challengeId: undefined }).finally(() => writing.delete(write));
      writing.add(write);
    },
    start: () => Promise.resolve(),
    stop: async () => {
      await Promise.all(writing);
    },
  };
}

/** Lets one a minute through for each agent, and not more than `written` for all. */
function createGate(clock: Pick<Clock, "monotonicMs">) {
  const bucket = createTokenBucket(written);
  const passedAtMs = new Map<string, number>();
  return {
    pass: (agentId: string): boolean => {
      const nowMs = clock.monotonicMs();
      const lastMs = passedAtMs.get(agentId);
      if (lastMs !== undefined && nowMs - lastMs < perAgentMs) return false;
      if (!bucket.take(nowMs)) return false;
      passedAtMs.delete(agentId);
      passedAtMs.set(agentId, nowMs);
      const [eldest] = passedAtMs.keys();
      if (passedAtMs.size > rememberedAgents && eldest !== undefined) passedAtMs.delete(eldest);
      return true;
    },
    reopen: (agentId: string): void => void passedAtMs.delete(agentId),
  };
}
