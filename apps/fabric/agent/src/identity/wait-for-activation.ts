import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { loadAgentIdentity, type AgentIdentity } from "./load-agent-identity.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { TrustStore } from "./trust-store.ts";

const pollMs = 1_000;
/** How often the log repeats what it waits for. */
const remindMs = 300_000;

/** Resolves when `drawbridge-agent activate` has put an identity into the state folder. */
export async function waitForActivation(
  options: {
    readonly identities: Pick<IdentityStore, "load">;
    readonly trust: Pick<TrustStore, "load">;
    readonly stateDirectory: string;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  signal: AbortSignal,
): Promise<AgentIdentity> {
  const { clock, logger, stateDirectory } = options;
  let remindedAtMs = -Infinity;
  for (;;) {
    try {
      return await loadAgentIdentity(options);
    } catch (error) {
      if (!isDrawbridgeError(error, "AGENT_NOT_ACTIVATED")) throw error;
      if (clock.monotonicMs() - remindedAtMs >= remindMs) {
        remindedAtMs = clock.monotonicMs();
        const command = `drawbridge-agent activate --token-file <file> --state-dir ${stateDirectory}`;
        logger.warn({ state_dir: stateDirectory, command }, "not activated, waiting for `drawbridge-agent activate`");
      }
    }
    await clock.sleep(pollMs, signal);
  }
}
