import { isDrawbridgeError } from "@drawbridge/errors";
import { type Authority, authoritySchema } from "../api/authority-types.ts";
import type { ApiClient } from "../api/client.ts";
import type { CommandWorld } from "../command-context.ts";
import { formatInstant } from "../output/format-instant.ts";
import type { Output } from "../output/output.ts";
import { phaseText } from "./ca-status.ts";

const pollMs = 2_000;

/**
 * Show a rotation until it is over. A control plane that does not answer for a while is asked again: its services change
 * their certificates meanwhile. Ctrl-C ends the watching, not the rotation.
 */
export async function watchRotation(deps: {
  readonly world: CommandWorld;
  readonly api: ApiClient;
  readonly output: Output;
  /** Take over the trust bundle when the control plane has a newer one. */
  readonly refreshTrust: () => Promise<void>;
}): Promise<void> {
  const { world, api, output, refreshTrust } = deps;
  let phase = "";
  for (;;) {
    const authority = await ask(api, output);
    if (authority) {
      if (authority.phase !== phase) {
        output.progressDone();
        output.note(
          `${formatInstant(world.clock.now().toISOString(), world.clock.now())}: ${phaseText(authority.phase)}`,
        );
      }
      phase = authority.phase;
      if (phase === "standby") return;
      output.progress(progressText(authority, world.clock.now()));
      await refreshTrust();
    }
    await world.clock.sleep(pollMs, world.signal);
  }
}

async function ask(api: ApiClient, output: Output): Promise<Authority | undefined> {
  try {
    return await api.call("/v1/ca", authoritySchema);
  } catch (error) {
    const isAway = isDrawbridgeError(error) && (error.kind === "unavailable" || error.kind === "deadline_exceeded");
    if (!isAway || error.code === "SERVER_NOT_TRUSTED") throw error;
    output.progress(`asking again: ${error.message}`);
    return undefined;
  }
}

function progressText(authority: Authority, now: Date): string {
  const behind = authority.followers.filter(({ live, missing }) => live && missing.length > 0).map(({ name }) => name);
  if (authority.waitingFor > 0) return `waiting for ${authority.waitingFor}: ${behind.slice(0, 5).join(", ")}`;
  if (!authority.nextPhaseAt) return "waiting until nothing chains to the new root any more";
  return `everybody who is live has followed; next phase at the earliest ${formatInstant(authority.nextPhaseAt, now)}`;
}
