import { fullJitterDelayMs, type Clock, type Random } from "@drawbridge/lifecycle";
import type { StoreLogger } from "../store-logger.ts";

/** Keeps scopes back whose next event is refused, so that one bad event delays its own scope and no other. */
export interface ScopeHold {
  failed(scope: string, error: unknown): void;
  /** The scopes to leave out now. A scope whose time is up is tried again. */
  heldScopes(): readonly string[];
}

const baseMs = 1_000;
const capMs = 60_000;
/** A failure this long after the last one is a new one. */
const forgetMs = 10 * 60_000;

export function createScopeHold(deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: StoreLogger;
}): ScopeHold {
  const held = new Map<string, { readonly attempt: number; readonly untilMs: number }>();
  return {
    failed: (scope, error) => {
      const attempt = (held.get(scope)?.attempt ?? -1) + 1;
      const delayMs = fullJitterDelayMs({ attempt, baseMs, capMs, floorMs: baseMs / 2, random: deps.random });
      held.set(scope, { attempt, untilMs: deps.clock.monotonicMs() + delayMs });
      deps.logger.error({ err: error, scope, delayMs }, "event is refused by the bus, its scope waits");
    },
    heldScopes: () => {
      const nowMs = deps.clock.monotonicMs();
      for (const [scope, { untilMs }] of held) if (untilMs + forgetMs < nowMs) held.delete(scope);
      return [...held].filter(([, { untilMs }]) => untilMs > nowMs).map(([scope]) => scope);
    },
  };
}
