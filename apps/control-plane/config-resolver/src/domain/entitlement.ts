import type { Clock } from "@drawbridge/lifecycle";
import type { ArtefactDigest } from "./artefact-digest.ts";

export interface EntitlementQuestion {
  readonly fabricId: string;
  readonly digest: ArtefactDigest;
  /** Empty where it is no agent that asks. */
  readonly agentId: string;
}

export interface Entitlement {
  /** Whether the fabric may fetch the artefact now. Rejects (unavailable) when nobody can say. */
  isEntitled(question: EntitlementQuestion, signal: AbortSignal): Promise<boolean>;
}

/** How long a "yes" holds; a "no" is asked again every time, because a deployment may have followed (architecture, decision 8). */
export const entitlementTtlMs = 30_000;
const maxCached = 100_000;

/** Remembers "yes" answers. With `ask` unavailable and nothing remembered, the refusal to answer is passed on. */
export function createEntitlement(deps: {
  readonly ask: (question: EntitlementQuestion, signal: AbortSignal) => Promise<boolean>;
  readonly clock: Pick<Clock, "monotonicMs">;
}): Entitlement {
  /** In order of expiry: every entry lives equally long. */
  const validUntilMs = new Map<string, number>();

  return {
    isEntitled: async (question, signal) => {
      const key = `${question.fabricId} ${question.agentId} ${question.digest}`;
      const nowMs = deps.clock.monotonicMs();
      if ((validUntilMs.get(key) ?? 0) > nowMs) return true;
      const isEntitled = await deps.ask(question, signal);
      validUntilMs.delete(key);
      if (!isEntitled) return false;
      for (const [oldest, untilMs] of validUntilMs) {
        if (untilMs > nowMs && validUntilMs.size < maxCached) break;
        validUntilMs.delete(oldest);
      }
      validUntilMs.set(key, nowMs + entitlementTtlMs);
      return true;
    },
  };
}
