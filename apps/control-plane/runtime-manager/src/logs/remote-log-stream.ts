import type { Bus } from "@drawbridge/bus";
import { LogsChunk } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { encodeMessage, subjects, type TunnelCommand } from "../control/control-messages.ts";
import { agentRefused, fabricNotConnected, type LogStream } from "./log-stream.ts";
import type { LogsQuery } from "./log-streams.ts";

/** How long the replica that holds the tunnel may take to answer (design R15). */
const commandTimeoutMs = 5_000;

interface Piece {
  readonly chunk: LogsChunk;
  /** Lets the sender send the next one. */
  readonly taken: () => void;
}

/**
 * Open a log stream over a tunnel that another replica holds.
 * @throws DrawbridgeError `FABRIC_NOT_CONNECTED` | `LOGS_NOT_ALLOWED` | `LOGS_BUSY`
 */
export async function openRemoteLogStream(
  bus: Pick<Bus, "respond" | "request">,
  options: { readonly replica: string; readonly correlationId: string; readonly query: LogsQuery },
): Promise<LogStream> {
  const { replica, correlationId, query } = options;
  const inbox = subjects.logs(correlationId);
  const pieces: Piece[] = [];
  let waiting: PromiseWithResolvers<void> | undefined;
  let isOver = false;

  const subscription = bus.respond(inbox, async ({ data }) => {
    if (isOver) throw readerLeft();
    const chunk = LogsChunk.decode(data);
    if (chunk.lines.length === 0 && !chunk.end) return new Uint8Array();
    const { promise, resolve } = Promise.withResolvers<void>();
    pieces.push({ chunk, taken: resolve });
    waiting?.resolve();
    await promise;
    return new Uint8Array();
  });

  const command = (message: TunnelCommand) =>
    bus.request(subjects.command(replica, query.agentId), encodeMessage(message), { timeoutMs: commandTimeoutMs });

  function finish(): void {
    if (isOver) return;
    isOver = true;
    for (const piece of pieces) piece.taken();
    pieces.length = 0;
    void subscription.close();
  }

  try {
    const { fabricId, appId, replicaId, tailLines, follow } = query;
    await command({ command: "open-logs", correlationId, inbox, fabricId, appId, replicaId, tailLines, follow });
  } catch (error) {
    finish();
    if (isDrawbridgeError(error) && !error.code.startsWith("BUS_")) throw error;
    throw fabricNotConnected(error);
  }

  return {
    correlationId,
    next: async () => {
      for (;;) {
        if (isOver) return undefined;
        const piece = pieces.shift();
        if (piece) {
          piece.taken();
          if (piece.chunk.end) finish();
          if (piece.chunk.errorCode !== "") throw endedWith(piece.chunk.errorCode);
          if (piece.chunk.lines.length > 0) return piece.chunk;
          continue;
        }
        waiting = Promise.withResolvers<void>();
        await waiting.promise;
        waiting = undefined;
      }
    },
    cancel: () => {
      if (isOver) return;
      finish();
      waiting?.resolve();
      command({ command: "cancel-logs", correlationId }).catch(() => undefined); // its next piece finds nobody
    },
  };
}

function endedWith(code: string): DrawbridgeError {
  if (code === "FABRIC_NOT_CONNECTED") return fabricNotConnected();
  if (code === "LOGS_TOO_SLOW") {
    return new DrawbridgeError({
      kind: "resource_exhausted",
      code,
      message: "the lines came faster than they were read; ask for fewer of them",
    });
  }
  return agentRefused(code);
}

function readerLeft(): DrawbridgeError {
  return new DrawbridgeError({ kind: "cancelled", code: "LOGS_READER_LEFT", message: "nobody reads this any more" });
}
