import type { LogsChunk } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { FabricId } from "../domain/ids.ts";
import type { SessionRegistry } from "../tunnel/session-registry.ts";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import { fabricNotConnected, logsNotAllowed, TunnelLogStream, type LogStream } from "./log-stream.ts";

export interface LogsQuery {
  readonly fabricId: FabricId;
  readonly agentId: string;
  readonly appId: string;
  /** Empty for all. */
  readonly replicaId: string;
  readonly tailLines: number;
  readonly follow: boolean;
}

/** Log streams over the tunnels that this replica holds. */
export interface LogStreams {
  /** undefined when the tunnel is not here. @throws DrawbridgeError `LOGS_NOT_ALLOWED` | `LOGS_BUSY` */
  open(correlationId: string, query: LogsQuery): LogStream | undefined;
  cancel(correlationId: string): void;
  deliver(session: TunnelSession, correlationId: string, chunk: LogsChunk): void;
  /** The session is over: its readers are told. */
  drop(session: TunnelSession): void;
  /** Cut off readers that have held up a tunnel for too long. */
  cutStalled(nowMs: number): void;
}

const streamsPerSession = 8;
/** A tunnel waits this long for a reader: well under the time after which it would count as dead. */
const longestStallMs = 5_000;

export function createLogStreams(
  registry: Pick<SessionRegistry, "get">,
  clock: Pick<Clock, "monotonicMs">,
): LogStreams {
  const streams = new Map<string, TunnelLogStream>();

  function onOver(stream: TunnelLogStream, by: "agent" | "reader"): void {
    streams.delete(stream.correlationId);
    if (by === "agent") return;
    stream.session.send({ $case: "logsCancel", value: {} }, { correlationId: stream.correlationId });
  }

  return {
    open: (correlationId, query) => {
      const session = registry.get(query.fabricId);
      if (!session || session.isOver || session.terms.agentId !== query.agentId) return undefined;
      if (!session.logsAllowed) throw logsNotAllowed();
      if ([...streams.values()].filter((stream) => stream.session === session).length >= streamsPerSession)
        throw busy();
      const stream = new TunnelLogStream({ correlationId, session, onOver });
      streams.set(correlationId, stream);
      const { appId, replicaId, tailLines, follow } = query;
      session.send({ $case: "logsRequest", value: { appId, replicaId, tailLines, follow } }, { correlationId });
      return stream;
    },
    cancel: (correlationId) => streams.get(correlationId)?.cancel(),
    deliver: (session, correlationId, chunk) => {
      const stream = streams.get(correlationId);
      // Only the tunnel that was asked may answer.
      if (stream?.session === session) stream.push(chunk, clock.monotonicMs());
    },
    drop: (session) => {
      for (const stream of streams.values()) {
        if (stream.session === session) stream.fail(fabricNotConnected());
      }
    },
    cutStalled: (nowMs) => {
      for (const stream of streams.values()) {
        if (stream.stalledSinceMs !== undefined && nowMs - stream.stalledSinceMs > longestStallMs)
          stream.fail(tooSlow());
      }
    },
  };
}

function busy(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "LOGS_BUSY",
    message: `${streamsPerSession} log streams of this fabric are open already; close one first`,
    retryAfterMs: 5_000,
  });
}

function tooSlow(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "LOGS_TOO_SLOW",
    message: "the lines came faster than they were read; ask for fewer of them",
  });
}
