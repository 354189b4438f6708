import type { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { field, withSpan, type Logger } from "@drawbridge/telemetry";
import type {
  ServerDuplexStream,
  ServerErrorResponse,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from "@grpc/grpc-js";
import { assertAllowed, type CallerPattern } from "./caller.ts";
import type { CallContext, GrpcMethod, GrpcServiceDefinition } from "./grpc-service.ts";
import { toGrpcStatus } from "./grpc-error.ts";
import type { Connection } from "./listener.ts";
import { logLevelOf, toPublicError } from "./public-error.ts";
import { assertNotRevoked, type RevocationCheck } from "./revocation-check.ts";
import type { RequestMetrics } from "./request-metrics.ts";

type AnyCall =
  | ServerUnaryCall<unknown, unknown>
  | ServerReadableStream<unknown, unknown>
  | ServerWritableStream<unknown, unknown>
  | ServerDuplexStream<unknown, unknown>;

export interface CallRunnerOptions {
  /** The connection of a call; undefined when it is already gone. */
  readonly connectionOf: (call: AnyCall) => Connection | undefined;
  readonly revocations: RevocationCheck | undefined;
  /** Runs before every handler; throw to refuse. */
  readonly beforeCall?: ((context: CallContext) => void | Promise<void>) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RequestMetrics | undefined;
}

type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: ServerErrorResponse };

/** Turns our handlers into grpc-js handlers: identity, authorisation, span, error mapping, one record per call. */
export function createImplementation(
  service: GrpcServiceDefinition,
  options: CallRunnerOptions,
): Record<string, (...args: never[]) => void> {
  return Object.fromEntries(
    Object.entries(service.definition).map(([name, method]) => {
      const handler = service.handlers[name];
      const allow = service.allow[name] ?? []; // not listed: nobody
      const run = (call: AnyCall, input: unknown): Promise<Outcome> =>
        // input is the request or the call, as the method's shape says; defineGrpcService checked that the handler takes it
        runCall({ ...options, method, allow, call, handle: async (context) => handler?.(input as never, context) });
      return [name, method.responseStream ? streamingHandler(run) : respondingHandler(method, run)];
    }),
  );
}

type Run = (call: AnyCall, input: unknown) => Promise<Outcome>;

/** Unary and client streaming: one answer through a callback. */
function respondingHandler(method: GrpcMethod, run: Run) {
  return (call: AnyCall, callback: (error: ServerErrorResponse | null, value?: unknown) => void): void => {
    const input = method.requestStream ? call : (call as ServerUnaryCall<unknown, unknown>).request; // unary unless it streams
    const answer = async (): Promise<void> => {
      const outcome = await run(call, input);
      if (outcome.ok) callback(null, outcome.value);
      else callback(outcome.status);
    };
    void answer(); // run never rejects
  };
}

/** Server and bidirectional streaming: the stream ends when the handler returns. */
function streamingHandler(run: Run) {
  return (call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>): void => {
    const stream: EventEmitter = call;
    stream.on("error", () => undefined); // without it a client that hangs up ends the process; the handler sees signal abort
    if (call instanceof Readable) keepWritableAfterReading(call);
    const answer = async (): Promise<void> => {
      const outcome = await run(call, call);
      if (call.cancelled) return;
      if (outcome.ok) call.end();
      else call.emit("error", outcome.status); // grpc-js ends the stream with this status
    };
    void answer(); // run never rejects
  };
}

/**
 * Leaving a `for await` over a duplex stream destroys its writable side as well, and with it the status. A handler may
 * read all requests and then answer.
 */
function keepWritableAfterReading(call: Readable): void {
  Object.defineProperty(call, Symbol.asyncIterator, { value: () => call.iterator({ destroyOnReturn: false }) });
}

interface RunCallOptions extends CallRunnerOptions {
  readonly method: GrpcMethod;
  readonly allow: readonly CallerPattern[];
  readonly call: AnyCall;
  readonly handle: (context: CallContext) => Promise<unknown>;
}

async function runCall({ method, allow, call, handle, ...options }: RunCallOptions): Promise<Outcome> {
  const startedMs = options.clock.monotonicMs();
  const hangUp = new AbortController();
  const emitter: EventEmitter = call;
  const onCancelled = (): void => hangUp.abort(callCancelled());
  emitter.once("cancelled", onCancelled);
  const connection = options.connectionOf(call);
  const [header] = call.metadata.get("traceparent");
  const traceparent = typeof header === "string" ? header : "";
  const context: CallContext = {
    peer: connection?.peer,
    remoteAddress: connection?.remoteAddress ?? "unknown",
    connectionId: connection?.id ?? "",
    signal: hangUp.signal,
    traceparent,
  };
  const attributes = {
    "rpc.system": "grpc",
    "rpc.method": method.path.slice(1),
    "network.peer.address": context.remoteAddress,
  };
  return withSpan(
    method.path.slice(1),
    attributes,
    async (span): Promise<Outcome> => {
      let outcome: Outcome;
      let failure: DrawbridgeError | undefined;
      try {
        if (!connection) throw callCancelled();
        assertNotRevoked(options.revocations, context.peer);
        assertAllowed(allow, context.peer, options.clock.now());
        await options.beforeCall?.(context);
        outcome = { ok: true, value: await handle(context) };
      } catch (thrown) {
        failure =
          hangUp.signal.aborted && !(thrown instanceof DrawbridgeError) ? callCancelled(thrown) : toPublicError(thrown);
        outcome = { ok: false, status: toGrpcStatus(failure) };
        span.setAttribute("error.type", failure.code);
      }
      emitter.off("cancelled", onCancelled); // it also comes when the answer has been sent
      const durationMs = options.clock.monotonicMs() - startedMs;
      options.metrics?.record({ method: method.path, code: failure?.code, durationMs });
      record({ method, context, failure, durationMs, logger: options.logger });
      return outcome;
    },
    { kind: "server", parent: traceparent },
  );
}

function record(call: {
  readonly method: GrpcMethod;
  readonly context: CallContext;
  readonly failure: DrawbridgeError | undefined;
  readonly durationMs: number;
  readonly logger: Logger;
}): void {
  const { method, context, failure } = call;
  const isRoutine = method.path.startsWith("/grpc.health.");
  call.logger[isRoutine && !failure ? "debug" : logLevelOf(failure)](
    {
      [field.method]: method.path,
      [field.peer]: context.peer?.spiffeId,
      [field.remoteAddress]: context.remoteAddress,
      [field.connectionId]: context.connectionId,
      [field.outcome]: failure ? "error" : "ok",
      [field.durationMs]: Math.round(call.durationMs * 10) / 10,
      ...(failure
        ? {
            [field.errorCode]: failure.code,
            [field.errorKind]: failure.kind,
            ...(failure.cause === undefined ? {} : { err: failure }),
          }
        : {}),
    },
    "call",
  );
}

function callCancelled(cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "cancelled",
    code: "CALL_CANCELLED",
    message: "the caller hung up or its deadline passed",
    cause,
  });
}
