import type { AgentId, FabricId } from "../domain/ids.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** The tunnels that this replica holds: at most one per fabric. */
export interface SessionRegistry {
  readonly size: number;
  get(fabricId: FabricId): TunnelSession | undefined;
  all(): Iterable<TunnelSession>;
  /**
   * Put a session in and end the one that it replaces, with the reason that the agent is told. Welcomes may arrive here
   * in another order than the database gave them: the session's order decides, never the time of arrival.
   */
  add(session: TunnelSession): void;
  /** Take a session out, unless another has taken its place already. */
  remove(session: TunnelSession): void;
}

export function createSessionRegistry(): SessionRegistry {
  const sessions = new Map<FabricId, TunnelSession>();
  return {
    get size() {
      return sessions.size;
    },
    get: (fabricId) => sessions.get(fabricId),
    all: () => sessions.values(),
    add: (session) => {
      const other = sessions.get(session.terms.fabricId);
      if (other && other.terms.order > session.terms.order) {
        supersede(session, other.terms.agentId);
        return;
      }
      sessions.set(session.terms.fabricId, session);
      if (other) supersede(other, session.terms.agentId);
    },
    remove: (session) => {
      if (sessions.get(session.terms.fabricId) === session) sessions.delete(session.terms.fabricId);
    },
  };
}

/** End a session because a later one of the same fabric was welcomed, here or at another replica. */
export function supersede(session: TunnelSession, successor: AgentId): void {
  session.kick(session.terms.agentId === successor ? "EPOCH_SUPERSEDED" : "AGENT_SUPERSEDED");
}
