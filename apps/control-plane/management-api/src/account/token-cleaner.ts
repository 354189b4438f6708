import { type Clock, type Component, createLoop } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { AccessTokenRepository } from "../store/access-token-repository.ts";

/** So long after its end a token can still be told to be expired, and is listed. */
const keepDays = 30;
const intervalMs = 3_600_000;

/** Forgets sessions and API tokens that ended long ago, hourly. */
export function createTokenCleaner(deps: {
  readonly tokens: Pick<AccessTokenRepository, "deleteEnded">;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  return createLoop({
    name: "token cleaner",
    clock: deps.clock,
    intervalMs,
    pass: async () => {
      await deps.tokens.deleteEnded(new Date(deps.clock.now().getTime() - keepDays * 86_400_000));
    },
    onError: (error) => deps.logger.warn({ err: error }, "ended access tokens were not deleted, will retry"),
  });
}
