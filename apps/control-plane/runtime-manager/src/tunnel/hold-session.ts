import { field, type Logger } from "@drawbridge/telemetry";
import type { OwnerDirectory } from "../control/owner-directory.ts";
import type { LogStreams } from "../logs/log-streams.ts";
import type { SessionRepository } from "../store/sessions.ts";
import type { Connections } from "./connections.ts";
import type { HandleFrame } from "./handle-frame.ts";
import type { SessionRegistry } from "./session-registry.ts";
import type { SessionEnd, TunnelCall, TunnelSession } from "./tunnel-session.ts";

export type HoldSession = (session: TunnelSession, call: TunnelCall, signal: AbortSignal) => Promise<void>;

export interface HoldSessionDeps {
  readonly handleFrame: HandleFrame;
  readonly registry: SessionRegistry;
  readonly owners: Pick<OwnerDirectory, "put" | "remove">;
  readonly sessions: Pick<SessionRepository, "release">;
  readonly logs: Pick<LogStreams, "drop">;
  readonly connections: Connections;
  readonly logger: Logger;
}

/** A session from its welcome to its end; resolves when the stream may be closed. */
export function createHoldSession(deps: HoldSessionDeps): HoldSession {
  const { logger } = deps;
  return async (session, call, signal) => {
    call.on("data", (frame) => deps.handleFrame(session, frame));
    call.on("drain", () => session.resumeSending());
    call.on("end", () => session.end({ reason: "agent-left" }));
    call.on("cancelled", () => session.end({ reason: "lost" }));
    call.on("close", () => session.end({ reason: "lost" }));
    deps.owners.put(session);
    logger.info(factsOf(session), "tunnel opened");
    if (signal.aborted) session.end({ reason: "lost" }); // hung up while it was being welcomed
    call.resume();

    const end = await session.ended;
    deps.registry.remove(session);
    deps.logs.drop(session);
    deps.owners.remove(session);
    closeConnection(session, end);
    logger.info(
      { ...factsOf(session), reason: end.reason, ...(end.reason === "kicked" ? { code: end.code } : {}) },
      "tunnel closed",
    );
    deps.sessions.release(session.terms).catch((error: unknown) => {
      logger.debug({ err: error, [field.agentId]: session.terms.agentId }, "tunnel not released, left to the sweep");
    });
  };

  function closeConnection({ terms }: TunnelSession, end: SessionEnd): void {
    switch (end.reason) {
      case "dead":
      case "overflow":
        deps.connections.close(terms.connectionId, `tunnel ${end.reason}`);
        return;
      case "kicked":
      case "drained":
        deps.connections.closeSoon(terms.connectionId, `tunnel ${end.reason}`);
        return;
      case "agent-left":
      case "lost":
        return; // the agent's to close
    }
  }
}

function factsOf({ terms }: TunnelSession) {
  return {
    [field.fabricId]: terms.fabricId,
    [field.agentId]: terms.agentId,
    [field.connectionId]: terms.connectionId,
    session_id: terms.sessionId,
    epoch: String(terms.epoch),
  };
}
