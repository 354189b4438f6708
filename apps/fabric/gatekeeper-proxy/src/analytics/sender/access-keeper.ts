import type { Clock } from "@drawbridge/lifecycle";
import type { AnalyticsAccess } from "../exporter-protocol.ts";

export interface AccessKeeper {
  /** Rejects with an error whose message is the code of why there is none. */
  get(): Promise<AnalyticsAccess>;
  /** analytics-ingest does not take this token. */
  refused(token: string): void;
  /** Answer to `ask`. */
  answered(answer: AnalyticsAccess | { readonly failure: string }): void;
}

/** Of its life. */
const refreshAfterShare = 0.75;
const shortestLifeMs = 60_000;
const answerTimeoutMs = 20_000;

/**
 * The right to report, in memory alone: asked for when it is needed first, when a quarter of its life is left, and when it was
 * refused. An old one is used while no new one is to be had: whether it still holds is its reader's decision.
 */
export function createAccessKeeper({
  ask,
  clock,
}: {
  readonly ask: (refusedToken: string) => void;
  readonly clock: Clock;
}): AccessKeeper {
  let access: AnalyticsAccess | undefined;
  let refreshAtMs = 0;
  let refusedToken = "";
  let waiting: PromiseWithResolvers<AnalyticsAccess> | undefined;

  async function fetch(): Promise<AnalyticsAccess> {
    if (waiting !== undefined) return waiting.promise;
    const asked = Promise.withResolvers<AnalyticsAccess>();
    waiting = asked;
    ask(refusedToken);
    const timeout = new AbortController();
    clock.sleep(answerTimeoutMs, timeout.signal).then(
      () => asked.reject(new Error("AGENT_GONE")),
      () => undefined, // answered
    );
    try {
      return await asked.promise;
    } finally {
      waiting = undefined;
      timeout.abort();
    }
  }

  return {
    async get() {
      if (access !== undefined && clock.monotonicMs() < refreshAtMs) return access;
      try {
        const fresh = await fetch();
        access = fresh;
        refusedToken = "";
        const lifeMs = Math.max(fresh.expiresAtMs - clock.now().getTime(), shortestLifeMs);
        refreshAtMs = clock.monotonicMs() + refreshAfterShare * lifeMs;
        return fresh;
      } catch (error) {
        if (access === undefined) throw error;
        refreshAtMs = clock.monotonicMs() + shortestLifeMs;
        return access;
      }
    },
    refused: (token) => {
      if (access?.token !== token) return;
      refusedToken = token;
      access = undefined;
    },
    answered: (answer) => {
      if ("failure" in answer) waiting?.reject(new Error(answer.failure));
      else waiting?.resolve(answer);
    },
  };
}
