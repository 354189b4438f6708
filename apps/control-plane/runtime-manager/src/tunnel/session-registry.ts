import type { Clock } from "@drawbridge/lifecycle";
import type { AgentId, FabricId } from "../domain/ids.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** The tunnels that this replica holds: at most one current one per fabric, and those that it has just replaced. */
export interface SessionRegistry {
  /** Of current ones. */
  readonly size: number;
  get(fabricId: FabricId): TunnelSession | undefined;
  all(): Iterable<TunnelSession>;
  /** Replaced by their own process, and not over yet. */
  retiring(): Iterable<TunnelSession>;
  /** Also those that are retiring. */
  ofFabric(fabricId: FabricId): readonly TunnelSession[];
  /** A later session of its fabric was welcomed, here or elsewhere: this one ends, at once or in its own time. */
  supersede(session: TunnelSession, successor: Successor): void;
  /**
   * Put a session in and end the one that it replaces, with the reason that the agent is told. Welcomes may arrive here
   * in another order than the database gave them: the session's order decides, never the time of arrival.
   */
  add(session: TunnelSession): void;
  /** Take a session out, unless another has taken its place already. */
  remove(session: TunnelSession): void;
}

/** Who holds the later session. */
export interface Successor {
  readonly agentId: AgentId;
  readonly bootId: string;
}

/** An agent gives what is under way on its old tunnel 30 s (design R6); a little more for the way. */
const retiringMs = 40_000;

export function createSessionRegistry(clock: Pick<Clock, "monotonicMs">): SessionRegistry {
  const sessions = new Map<FabricId, TunnelSession>();
  const retired = new Set<TunnelSession>();

  function take(session: TunnelSession): void {
    if (sessions.get(session.terms.fabricId) === session) sessions.delete(session.terms.fabricId);
  }

  /**
   * Make before break: a process that has opened its next tunnel closes the one before it when nothing is under way on it.
   * Another process, or another agent, is told at once that it no longer speaks for the fabric.
   */
  function supersede(session: TunnelSession, successor: Successor): void {
    const { agentId, bootId } = session.terms;
    take(session);
    if (agentId === successor.agentId && bootId === successor.bootId) {
      if (session.isOver || session.retireAtMs !== undefined) return;
      session.retireAtMs = clock.monotonicMs() + retiringMs;
      retired.add(session);
      return;
    }
    retired.delete(session);
    session.kick(agentId === successor.agentId ? "EPOCH_SUPERSEDED" : "AGENT_SUPERSEDED");
  }

  return {
    get size() {
      return sessions.size;
    },
    get: (fabricId) => sessions.get(fabricId),
    all: () => sessions.values(),
    retiring: () => retired,
    ofFabric: (fabricId) => {
      const current = sessions.get(fabricId);
      const others = [...retired].filter((session) => session.terms.fabricId === fabricId);
      return current ? [current, ...others] : others;
    },
    supersede,
    add: (session) => {
      const other = sessions.get(session.terms.fabricId);
      if (other && other.terms.order > session.terms.order) {
        supersede(session, other.terms);
        return;
      }
      if (other) supersede(other, session.terms);
      sessions.set(session.terms.fabricId, session);
    },
    remove: (session) => {
      take(session);
      retired.delete(session);
    },
  };
}
