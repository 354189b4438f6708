import type { Bus } from "@drawbridge/bus";
import { LogsChunk } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { fabricId } from "../domain/ids.ts";
import { controlMessages, decodeMessage, type TunnelCommand } from "../control/control-messages.ts";
import { fabricNotConnected, type LogStream } from "./log-stream.ts";
import type { LogStreams } from "./log-streams.ts";

/** NATS takes 1 MiB per message by default. */
const largestPieceBytes = 256 * 1024;
/** A reader at another replica must take a piece within this time. */
const pieceTimeoutMs = 10_000;
/** Without lines, an empty piece tells whether the reader still lives. */
const keepaliveMs = 15_000;

/**
 * The end of a remote log stream that holds the tunnel. Pieces go to the reader's inbox one by one, each as a request
 * that the reader answers when it has room, so the reader's pace is the tunnel's.
 */
export function createLogsRelay(deps: {
  readonly bus: Pick<Bus, "request">;
  readonly streams: LogStreams;
  readonly clock: Clock;
  readonly logger: Logger;
}): (agentId: string, data: Uint8Array) => void {
  const { bus, streams, clock, logger } = deps;

  async function send(inbox: string, chunk: LogsChunk): Promise<void> {
    await bus.request(inbox, LogsChunk.encode(chunk).finish(), { timeoutMs: pieceTimeoutMs });
  }

  async function relay(stream: LogStream, inbox: string): Promise<void> {
    const over = new AbortController();
    const keepalive = async (): Promise<void> => {
      for (;;) {
        await clock.sleep(keepaliveMs, over.signal);
        await send(inbox, { lines: [], end: false, errorCode: "" });
      }
    };
    keepalive().catch(() => stream.cancel()); // aborted by us, or nobody listens any more
    try {
      for (;;) {
        const chunk = await nextOrError(stream);
        for (const piece of piecesOf(chunk)) await send(inbox, piece);
        if (chunk.end) return;
      }
    } catch (error) {
      logger.debug({ err: error }, "log stream ended early");
    } finally {
      over.abort();
      stream.cancel();
    }
  }

  function open(agentId: string, command: Extract<TunnelCommand, { command: "open-logs" }>): void {
    const stream = streams.open(command.correlationId, { ...command, agentId, fabricId: fabricId(command.fabricId) });
    if (!stream) throw fabricNotConnected();
    void relay(stream, command.inbox);
  }

  return (agentId, data) => {
    const command = decodeMessage(controlMessages.command, data);
    if (command.command === "open-logs") open(agentId, command);
    else streams.cancel(command.correlationId);
  };
}

/** The next chunk; the end and an error are chunks as well here, because they have to travel. */
async function nextOrError(stream: LogStream): Promise<LogsChunk> {
  try {
    return (await stream.next()) ?? { lines: [], end: true, errorCode: "" };
  } catch (error) {
    return { lines: [], end: true, errorCode: isDrawbridgeError(error) ? error.code : "LOGS_FAILED" };
  }
}

function* piecesOf(chunk: LogsChunk): Iterable<LogsChunk> {
  let lines: LogsChunk["lines"] = [];
  let bytes = 0;
  for (const line of chunk.lines) {
    const sizeBytes = line.line.length * 3; // UTF-8 takes at most three bytes per UTF-16 unit
    if (lines.length > 0 && bytes + sizeBytes > largestPieceBytes) {
      yield { lines, end: false, errorCode: "" };
      lines = [];
      bytes = 0;
    }
    lines.push(line);
    bytes += sizeBytes;
  }
  yield { lines, end: chunk.end, errorCode: chunk.errorCode };
}
