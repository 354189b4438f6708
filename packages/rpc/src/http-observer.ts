import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Span } from "@opentelemetry/api";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { HttpContext } from "./http-server.ts";
import { logLevelOf, toPublicError } from "./public-error.ts";
import type { RequestMetrics } from "./request-metrics.ts";

export interface RequestObserver {
  /** Remember why a request failed, for its record. */
  failed(request: FastifyRequest, error: unknown): void;
  count(): number;
  /** From now on every answer closes its connection. */
  closeConnections(): void;
  /** Resolves when no request is in flight. */
  drained(): Promise<void>;
}

export interface ObserverOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RequestMetrics | undefined;
  readonly contextOf: (request: FastifyRequest) => HttpContext;
}

/** One span and one log record per request, from its first hook until its answer left or its connection broke. */
export function observeRequests(app: FastifyInstance, options: ObserverOptions): RequestObserver {
  const failures = new WeakMap<object, DrawbridgeError>();
  const drained = Promise.withResolvers<void>();
  let count = 0;
  let isClosing = false;

  app.addHook("onRequest", (request, reply, done) => {
    count += 1;
    const startedMs = options.clock.monotonicMs();
    const route = `${request.method} ${request.routeOptions.url ?? "*"}`;
    const parent = propagation.extract(ROOT_CONTEXT, request.headers);
    const span = trace.getTracer("drawbridge").startSpan(route, { kind: SpanKind.SERVER }, parent);
    if (isClosing) void reply.header("connection", "close");
    // "close" comes after "finish" and also when the caller hangs up; fastify's onResponse hook comes only after "finish".
    reply.raw.once("close", () => {
      count -= 1;
      finish({ request, reply, route, span, durationMs: options.clock.monotonicMs() - startedMs });
      if (isClosing && count === 0) drained.resolve();
    });
    context.with(trace.setSpan(parent, span), done);
  });

  function finish(ended: {
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly route: string;
    readonly span: Span;
    readonly durationMs: number;
  }): void {
    const { request, reply, route, span, durationMs } = ended;
    const isComplete = reply.raw.writableFinished;
    const failure = failures.get(request.raw) ?? (isComplete ? undefined : callerGone());
    span.setAttributes({
      "http.request.method": request.method,
      "http.route": route,
      "http.response.status_code": reply.statusCode,
    });
    if (failure) span.setAttribute("error.type", failure.code);
    if (failure && logLevelOf(failure) === "error")
      span.setStatus({ code: SpanStatusCode.ERROR, message: failure.code });
    span.end();
    options.metrics?.record({ method: route, code: failure?.code, durationMs });
    const { peer, remoteAddress, connectionId } = options.contextOf(request);
    const { traceId } = span.spanContext();
    options.logger[logLevelOf(failure)](
      {
        [field.method]: route,
        [field.requestId]: request.id,
        [field.traceId]: traceId,
        [field.peer]: peer?.spiffeId,
        [field.remoteAddress]: remoteAddress,
        [field.connectionId]: connectionId,
        status: reply.statusCode,
        [field.outcome]: failure ? "error" : "ok",
        [field.durationMs]: Math.round(durationMs * 10) / 10,
        ...(failure
          ? { [field.errorCode]: failure.code, ...(failure.cause === undefined ? {} : { err: failure }) }
          : {}),
      },
      "request",
    );
  }

  return {
    failed: (request, error) => void failures.set(request.raw, toPublicError(error)),
    count: () => count,
    closeConnections: () => {
      isClosing = true;
      if (count === 0) drained.resolve();
    },
    drained: () => drained.promise,
  };
}

function callerGone(): DrawbridgeError {
  return new DrawbridgeError({ kind: "cancelled", code: "CALL_CANCELLED", message: "the caller hung up" });
}
