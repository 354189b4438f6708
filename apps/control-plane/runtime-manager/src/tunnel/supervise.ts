import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock, Random } from "@drawbridge/lifecycle";
import type { LogStreams } from "../logs/log-streams.ts";
import type { SeenSession, SessionRepository } from "../store/sessions.ts";
import type { Connections } from "./connections.ts";
import type { HelloGate } from "./hello-gate.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { TunnelSettings } from "./settings.ts";
import type { TunnelSession } from "./tunnel-session.ts";

/** Far more than any agent has reason to send; logs come in chunks of many lines. */
const mostFramesPerTick = 2_000;
/** A drained session that is still here after this is ended. */
const drainGraceMs = 60_000;
const batchSize = 1_000;

/** The recurring duties of a replica towards its sessions; one pass over all of them instead of timers in each. */
export interface Supervisor {
  /** Every second: the dead, the too old, the too loud. */
  tick(): void;
  /** Write down who was heard of. */
  flushSeen(): Promise<void>;
  /** Are all sessions still allowed and current? */
  checkIdentities(): Promise<void>;
  /** End the sessions of agents that were locked, where the word did not arrive. */
  endLocked(): Promise<void>;
  /** Is this one? */
  checkIdentity(session: TunnelSession): Promise<void>;
  /** Tell every agent to come back elsewhere. */
  drainAll(reason: string): void;
}

export function createSupervisor(deps: {
  readonly registry: SessionRegistry;
  readonly connections: Connections;
  readonly gate: Pick<HelloGate, "expire">;
  readonly sessions: Pick<SessionRepository, "markSeen" | "judge" | "lockedAt">;
  readonly logs: Pick<LogStreams, "cutStalled">;
  readonly settings: TunnelSettings;
  readonly clock: Clock;
  readonly random: Random;
}): Supervisor {
  const { registry, settings, clock } = deps;

  function drain(session: TunnelSession, reason: string, withinMs: number): void {
    session.isDraining = true;
    session.send({ $case: "drain", value: { reconnectWithinMs: withinMs, reason } }, { lane: "urgent", key: "drain" });
  }

  async function check(held: readonly TunnelSession[]): Promise<void> {
    for (const verdict of await deps.sessions.judge(held.map((session) => session.terms))) {
      const session = registry.get(verdict.fabricId);
      if (session?.terms.sessionId !== verdict.sessionId) continue;
      if (verdict.code === "superseded") registry.supersede(session, verdict.by);
      else session.kick(verdict.code);
    }
  }

  return {
    tick: () => {
      const nowMs = clock.monotonicMs();
      const now = clock.now();
      deps.logs.cutStalled(nowMs);
      deps.connections.closeDue(nowMs);
      deps.gate.expire(nowMs);
      for (const session of registry.all()) {
        if (session.terms.certificateNotAfter <= now) session.kick("CERTIFICATE_EXPIRED");
        else if (nowMs - session.lastFrameMs > settings.deadAfterMs) session.end({ reason: "dead" });
        else if (session.framesThisTick > mostFramesPerTick) session.kick("TOO_MANY_FRAMES");
        else if (!session.isDraining && nowMs >= session.terms.drainAtMs)
          drain(session, "rebalance", settings.drainWindowMs);
        else if (session.isDraining && nowMs >= session.terms.drainAtMs + drainGraceMs)
          session.end({ reason: "drained" });
        session.framesThisTick = 0;
      }
      for (const session of registry.retiring()) {
        const isDue = nowMs >= (session.retireAtMs ?? 0) || nowMs - session.lastFrameMs > settings.deadAfterMs;
        if (isDue || session.framesThisTick > mostFramesPerTick) session.kick("EPOCH_SUPERSEDED");
        session.framesThisTick = 0;
      }
    },
    flushSeen: async () => {
      const sessions = [...registry.all()].filter((session) => session.isSeenDirty && !session.isOver);
      const failures: unknown[] = [];
      for (let from = 0; from < sessions.length; from += batchSize) {
        const flushed = flushBatch(deps.sessions, sessions.slice(from, from + batchSize), clock.now());
        await flushed.catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
    checkIdentities: async () => {
      const held = [...registry.all()];
      for (let from = 0; from < held.length; from += batchSize) {
        await check(held.slice(from, from + batchSize));
      }
    },
    endLocked: async () => {
      for (const { agentId, fabricId } of await deps.sessions.lockedAt(settings.replica)) {
        for (const session of registry.ofFabric(fabricId)) {
          if (session.terms.agentId === agentId) session.kick("AGENT_LOCKED");
        }
      }
    },
    checkIdentity: (session) => check([session]),
    drainAll: (reason) => {
      for (const session of registry.all()) if (!session.isDraining) drain(session, reason, settings.drainWindowMs);
    },
  };
}

async function flushBatch(
  sessions: Pick<SessionRepository, "markSeen">,
  batch: readonly TunnelSession[],
  at: Date,
): Promise<void> {
  const seen = batch.map((session): SeenSession => {
    const { agentId: id, epoch } = session.terms;
    return { agentId: id, epoch, report: session.isReportDirty ? session.report : undefined };
  });
  const dirty = batch.filter((session) => session.isReportDirty);
  for (const session of batch) {
    session.isSeenDirty = false;
    session.isReportDirty = false;
  }
  try {
    await sessions.markSeen(seen, at);
  } catch (error) {
    for (const session of batch) session.isSeenDirty = true;
    for (const session of dirty) session.isReportDirty = true;
    if (batch.length === 1 || (isDrawbridgeError(error) && error.kind === "unavailable")) throw error;
    // One agent that said what cannot be stored must not make all others of its batch look dead.
    const half = Math.ceil(batch.length / 2);
    const halves = [batch.slice(0, half), batch.slice(half)];
    const outcomes = await Promise.allSettled(halves.map((part) => flushBatch(sessions, part, at)));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }
}
