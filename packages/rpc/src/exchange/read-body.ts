import type { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import type { TimeLimits } from "./time-limits.ts";

/** @throws DrawbridgeError `BODY_TOO_LARGE` | `BODY_TOO_SLOW` | `CALL_CANCELLED` */
export function readBody(
  source: Readable,
  options: {
    readonly contentLength: number | undefined;
    readonly limitBytes: number;
    readonly timeoutMs: number;
    readonly timeLimits: Pick<TimeLimits, "add">;
  },
): Promise<Buffer> {
  const { contentLength, limitBytes } = options;
  if (contentLength !== undefined && contentLength > limitBytes) return Promise.reject(tooLarge(limitBytes));
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let inTime = (): void => undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  const onData = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > limitBytes) return fail(tooLarge(limitBytes));
    chunks.push(chunk);
  };
  const onEnd = (): void => {
    stop();
    resolve(chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks, size));
  };
  const onClose = (): void => fail(callerGone());

  function stop(): void {
    inTime();
    source.off("data", onData).off("end", onEnd).off("close", onClose);
  }
  function fail(error: DrawbridgeError): void {
    stop();
    source.pause();
    reject(error);
  }

  source.on("data", onData).on("end", onEnd).on("close", onClose);
  if (source.readableEnded) onEnd();
  else if (source.destroyed) onClose();
  else inTime = options.timeLimits.add(options.timeoutMs, () => fail(tooSlow()));
  return promise;
}

function tooLarge(limitBytes: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BODY_TOO_LARGE",
    message: `the body is larger than the ${limitBytes} bytes that this route takes`,
  });
}

function tooSlow(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "deadline_exceeded",
    code: "BODY_TOO_SLOW",
    message: "the body did not arrive in time",
  });
}

function callerGone(): DrawbridgeError {
  return new DrawbridgeError({ kind: "cancelled", code: "CALL_CANCELLED", message: "the caller hung up" });
}
