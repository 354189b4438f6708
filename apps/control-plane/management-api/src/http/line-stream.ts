import { Readable } from "node:stream";
import type { Clock } from "@drawbridge/lifecycle";
import { toPublicError } from "@drawbridge/rpc";

export interface LineStreamOptions<M> {
  /** Opens the source; `signal` ends it. */
  readonly open: (signal: AbortSignal) => AsyncIterable<M>;
  /** Documents that a message of the source becomes, a line each. */
  readonly toLines: (message: M) => readonly Readonly<Record<string, unknown>>[];
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

type Step<M> =
  | { readonly kind: "message"; readonly message: M }
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "silence" };

/**
 * A stream of NDJSON lines, read from its source only as fast as the reader takes them. Rejects when the source fails
 * before its first line; later its error is the last line, `{"type":"error",…}`. Silence has `{"type":"heartbeat",…}`.
 */
export async function openLineStream<M>(options: LineStreamOptions<M>): Promise<Readable> {
  const { clock } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  const source = options.open(signal)[Symbol.asyncIterator]();
  let pending = nextStep();

  function nextStep(): Promise<Step<M>> {
    return source.next().then(
      ({ done, value }): Step<M> => (done ? { kind: "end" } : { kind: "message", message: value }),
      (error: unknown): Step<M> => ({ kind: "failed", error }),
    );
  }

  async function stepWithin(ms: number): Promise<Step<M>> {
    const waiting = new AbortController();
    const silence = clock.sleep(ms, waiting.signal).then(
      (): Step<M> => ({ kind: "silence" }),
      (): Step<M> => ({ kind: "silence" }), // not waited for any more
    );
    try {
      return await Promise.race([pending, silence]);
    } finally {
      waiting.abort();
    }
  }

  async function* lines(first: Step<M>): AsyncGenerator<string> {
    let step = first;
    try {
      for (;;) {
        if (options.signal.aborted || step.kind === "end") return;
        if (step.kind === "failed") {
          const { code, message } = toPublicError(options.describe(step.error));
          yield toLine({ type: "error", code, detail: message });
          return;
        }
        if (step.kind === "message") {
          for (const line of options.toLines(step.message)) yield toLine(line);
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

function toLine(line: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(line)}\n`;
}
