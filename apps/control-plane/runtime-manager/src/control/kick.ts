import type { Bus } from "@drawbridge/bus";
import type { Logger } from "@drawbridge/telemetry";
import type { SessionRegistry } from "../tunnel/session-registry.ts";
import { encodeMessage, subjects, type KickMessage } from "./control-messages.ts";
import { kickHere } from "./listen-control.ts";

export type Kick = (agentId: string, message: KickMessage) => void;

/** End an agent's session wherever it is. Lost, it is made up for by the identity check of the replica that holds it. */
export function createKick(deps: {
  readonly bus: Pick<Bus, "broadcast">;
  readonly registry: Pick<SessionRegistry, "ofFabric">;
  readonly logger: Logger;
}): Kick {
  return (agentId, message) => {
    kickHere(deps.registry, agentId, message);
    deps.bus.broadcast(subjects.kick(agentId), encodeMessage(message)).catch((error: unknown) => {
      deps.logger.debug({ err: error }, "kick not sent, left to the identity check");
    });
  };
}
