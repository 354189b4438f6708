import { Readable } from "node:stream";
import type { StreamLogsResponse } from "@drawbridge/contracts/runtime/v1/app_service";
import type { Clock } from "@drawbridge/lifecycle";
import { toPublicError } from "@drawbridge/rpc";
import type { z } from "zod";
import { instantOrNull } from "./adapters/values.ts";
import type { logLineSchema } from "./schemas/app.ts";

type LogLine = z.output<typeof logLineSchema>;

export interface LogStreamOptions {
  /** Opens the source; `signal` ends it. */
  readonly open: (signal: AbortSignal) => AsyncIterable<StreamLogsResponse>;
  /** What an error of the source means for the reader. */
  readonly describe: (error: unknown) => unknown;
  readonly clock: Clock;
  /** Aborts when the reader goes away, or this process stops. */
  readonly signal: AbortSignal;
}

/** Proxies close what is silent; a minute is the shortest idle time-out that is common. */
const heartbeatMs = 15_000;
/** How long to wait for the first line or error, so that an error can still be an HTTP status. */
const firstAnswerMs = 2_000;

type Step =
  | { readonly kind: "message"; readonly message: StreamLogsResponse }
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "silence" };

/**
 * A stream of NDJSON lines, read from its source only as fast as the reader takes them. Rejects when the source fails
 * before its first line; later its error is the last line.
 */
export async function openLogStream(options: LogStreamOptions): Promise<Readable> {
  const { clock } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  const source = options.open(signal)[Symbol.asyncIterator]();
  let pending = nextStep();

  function nextStep(): Promise<Step> {
    return source.next().then(
      ({ done, value }): Step => (done ? { kind: "end" } : { kind: "message", message: value }),
      (error: unknown): Step => ({ kind: "failed", error }),
    );
  }

  async function stepWithin(ms: number): Promise<Step> {
    const waiting = new AbortController();
    const silence = clock.sleep(ms, waiting.signal).then(
      (): Step => ({ kind: "silence" }),
      (): Step => ({ kind: "silence" }), // not waited for any more
    );
    try {
      return await Promise.race([pending, silence]);
    } finally {
      waiting.abort();
    }
  }

  async function* lines(first: Step): AsyncGenerator<string> {
    let step = first;
    try {
      for (;;) {
        if (options.signal.aborted || step.kind === "end") return;
        if (step.kind === "failed") {
          yield toLine(errorLine(options.describe(step.error)));
          return;
        }
        if (step.kind === "message") {
          yield toLine(messageLine(step.message));
          pending = nextStep();
        } else {
          yield toLine({ type: "heartbeat", at: clock.now().toISOString() });
        }
        step = await stepWithin(heartbeatMs);
      }
    } finally {
      closing.abort();
    }
  }

  const first = await stepWithin(firstAnswerMs);
  if (first.kind === "failed") {
    closing.abort();
    throw options.describe(first.error);
  }
  const stream = Readable.from(lines(first), { objectMode: false });
  // A reader that goes away before it read anything never starts the generator, whose end would close the source.
  stream.once("close", () => closing.abort());
  return stream;
}

function toLine(line: LogLine): string {
  return `${JSON.stringify(line)}\n`;
}

function messageLine({ replicaId, stream, line, at }: StreamLogsResponse): LogLine {
  return { type: "line", replicaId, stream, line, at: instantOrNull(at) };
}

function errorLine(thrown: unknown): LogLine {
  const { code, message } = toPublicError(thrown);
  return { type: "error", code, detail: message };
}
