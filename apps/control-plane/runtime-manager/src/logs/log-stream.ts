import type { LogsChunk } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { DrawbridgeError } from "@drawbridge/errors";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";

/** Above this the tunnel is read no further, below the other it is read again. */
const highWaterBytes = 1024 * 1024;
const lowWaterBytes = 256 * 1024;

/** Lines of log on their way from one tunnel to one reader. They are in this memory and nowhere else. */
export interface LogStream {
  readonly correlationId: string;
  /** The next chunk, undefined after the last one. @throws DrawbridgeError why it ended early */
  next(): Promise<LogsChunk | undefined>;
  /** The reader does not want more. */
  cancel(): void;
}

/**
 * The tunnel's end of a log stream. A reader that is slower than the agent makes the tunnel wait, which HTTP/2 flow
 * control carries to the agent; but heartbeats and reports share that tunnel, so it waits a few seconds at most and then
 * the reader is cut off, not the agent.
 */
export class TunnelLogStream implements LogStream {
  readonly correlationId: string;
  readonly session: TunnelSession;
  /** Monotonic instant since which the tunnel waits for the reader. */
  stalledSinceMs: number | undefined;
  readonly #onOver: (stream: TunnelLogStream, by: "agent" | "reader") => void;
  readonly #chunks: { readonly chunk: LogsChunk; readonly sizeBytes: number }[] = [];
  #bytes = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #end: { readonly error: DrawbridgeError | undefined } | undefined;

  constructor(options: {
    readonly correlationId: string;
    readonly session: TunnelSession;
    readonly onOver: (stream: TunnelLogStream, by: "agent" | "reader") => void;
  }) {
    this.correlationId = options.correlationId;
    this.session = options.session;
    this.#onOver = options.onOver;
  }

  push(chunk: LogsChunk, nowMs: number): void {
    if (this.#end) return;
    const sizeBytes = chunk.lines.reduce((sum, line) => sum + line.line.length, 64);
    if (chunk.lines.length > 0) {
      this.#chunks.push({ chunk, sizeBytes });
      this.#bytes += sizeBytes;
    }
    if (chunk.errorCode !== "" || chunk.end) {
      this.#finish(chunk.errorCode === "" ? undefined : agentRefused(chunk.errorCode), "agent");
    } else if (this.#bytes > highWaterBytes && this.stalledSinceMs === undefined) {
      this.stalledSinceMs = nowMs;
      this.session.blockReading();
    }
    this.#waiting?.resolve();
  }

  async next(): Promise<LogsChunk | undefined> {
    for (;;) {
      const first = this.#chunks.shift();
      if (first) {
        this.#bytes -= first.sizeBytes;
        if (this.#bytes < lowWaterBytes) this.#unblock();
        return first.chunk;
      }
      if (this.#end?.error) throw this.#end.error;
      if (this.#end) return undefined;
      this.#waiting = Promise.withResolvers<void>();
      await this.#waiting.promise;
      this.#waiting = undefined;
    }
  }

  cancel(): void {
    this.#finish(undefined, "reader");
    this.#chunks.length = 0;
  }

  fail(error: DrawbridgeError): void {
    this.#finish(error, "reader");
    this.#chunks.length = 0;
    this.#waiting?.resolve();
  }

  #finish(error: DrawbridgeError | undefined, by: "agent" | "reader"): void {
    if (this.#end) return;
    this.#end = { error };
    this.#unblock();
    this.#onOver(this, by);
    this.#waiting?.resolve();
  }

  #unblock(): void {
    if (this.stalledSinceMs === undefined) return;
    this.stalledSinceMs = undefined;
    this.session.unblockReading();
  }
}

/** What the agent says in LogsChunk.error_code, as an error of ours. */
export function agentRefused(code: string): DrawbridgeError {
  if (code === "LOGS_NOT_ALLOWED") return logsNotAllowed();
  if (code === "APP_NOT_FOUND") {
    return new DrawbridgeError({ kind: "not_found", code, message: "the fabric does not have this app" });
  }
  if (code === "LOGS_OVERLOADED") {
    return new DrawbridgeError({
      kind: "resource_exhausted",
      code,
      message: "the agent serves as many log streams as it can; close one, or try again in a moment",
    });
  }
  return new DrawbridgeError({
    kind: "unavailable",
    code: "LOGS_FAILED",
    message: "the agent could not read the logs",
  });
}

export function logsNotAllowed(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "LOGS_NOT_ALLOWED",
    message: "the fabric's owner does not allow operators to read app logs (DRAWBRIDGE_ALLOW_LOGS on the agent)",
  });
}

export function fabricNotConnected(cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "FABRIC_NOT_CONNECTED",
    message: "the fabric has no tunnel now; try again when it is connected",
    cause,
  });
}
