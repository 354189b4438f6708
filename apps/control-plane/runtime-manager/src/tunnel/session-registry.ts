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
  const retired = new Map<FabricId, Set<TunnelSession>>();

  function take(session: TunnelSession): void {
    const { fabricId } = session.terms;
    if (sessions.get(fabricId) === session) sessions.delete(fabricId);
    const others = retired.get(fabricId);
    if (others?.delete(session) && others.size === 0) retired.delete(fabricId);
  }

  function retire(session: TunnelSession): void {
    session.retireAtMs = clock.monotonicMs() + retiringMs;
    const others = retired.get(session.terms.fabricId);
    if (others) others.add(session);
    else retired.set(session.terms.fabricId, new Set([session]));
  }

  function ofFabric(fabricId: FabricId): readonly TunnelSession[] {
    const current = sessions.get(fabricId);
    return [...(current ? [current] : []), ...(retired.get(fabricId) ?? [])];
  }

  /**
   * Make before break: a process that has opened its next tunnel closes the one before it when nothing is under way on it.
   * Another process, or another agent, is told at once that it no longer speaks for the fabric.
   */
  function supersede(session: TunnelSession, successor: Successor): void {
    const { agentId, bootId } = session.terms;
    const isOwnProcess = agentId === successor.agentId && bootId === successor.bootId;
    if (isOwnProcess && session.retireAtMs !== undefined) return;
    take(session);
    if (isOwnProcess) {
      if (!session.isOver) retire(session);
      return;
    }
    session.kick(agentId === successor.agentId ? "EPOCH_SUPERSEDED" : "AGENT_SUPERSEDED");
  }

  return {
    get size() {
      return sessions.size;
    },
    get: (fabricId) => sessions.get(fabricId),
    all: () => sessions.values(),
    retiring: () => [...retired.values()].flatMap((others) => Array.from(others)),
    ofFabric,
    supersede,
    add: (session) => {
      const other = sessions.get(session.terms.fabricId);
      if (other && other.terms.order > session.terms.order) {
        supersede(session, other.terms);
        return;
      }
      for (const earlier of ofFabric(session.terms.fabricId)) supersede(earlier, session.terms);
      sessions.set(session.terms.fabricId, session);
    },
    remove: (session) => {
      take(session);
    },
  };
}
