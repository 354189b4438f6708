import {
  context,
  isSpanContextValid,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
} from "@opentelemetry/api";
import { isDrawbridgeError } from "@drawbridge/errors";

const tracerName = "drawbridge";

export type SpanKindName = "internal" | "server" | "client" | "producer" | "consumer";

const kinds = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const satisfies Record<SpanKindName, SpanKind>;

export interface SpanOptions {
  /** W3C traceparent of a remote parent; without it the active span is the parent. "" starts a new trace. */
  readonly parent?: string;
  /** Default "internal". */
  readonly kind?: SpanKindName;
}

/**
 * Run `fn` inside a span. The span ends when the promise settles; a rejection marks it as failed with the error's code,
 * never with its text, which may hold foreign words.
 */
export async function withSpan<T>(
  name: string,
  attributes: Attributes,
  fn: (span: Span) => Promise<T>,
  options: SpanOptions = {},
): Promise<T> {
  const parent = options.parent === undefined ? context.active() : remoteContext(options.parent);
  const tracer = trace.getTracer(tracerName);
  return tracer.startActiveSpan(name, { kind: kinds[options.kind ?? "internal"], attributes }, parent, async (span) => {
    try {
      return await fn(span);
    } catch (error) {
      const code = isDrawbridgeError(error) ? error.code : "INTERNAL";
      span.setStatus({ code: SpanStatusCode.ERROR, message: code });
      span.setAttribute("error.type", code);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** W3C traceparent of the active span, for a header; "" outside a trace. */
export function currentTraceparent(): string {
  const active = trace.getActiveSpan()?.spanContext();
  if (!active || !isSpanContextValid(active)) return "";
  const flags = active.traceFlags.toString(16).padStart(2, "0");
  return `00-${active.traceId}-${active.spanId}-${flags}`;
}

function remoteContext(traceparent: string): Context {
  const root = trace.deleteSpan(context.active());
  return traceparent === "" ? root : propagation.extract(root, { traceparent });
}
