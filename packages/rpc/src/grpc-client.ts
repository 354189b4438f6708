import type { ConnectionOptions } from "node:tls";
import { DrawbridgeError } from "@drawbridge/errors";
import {
  cryptoRandom,
  fullJitterDelayMs,
  systemClock,
  type Clock,
  type Component,
  type Random,
} from "@drawbridge/lifecycle";
import { clientTlsOptions, type IdentityHolder } from "@drawbridge/pki";
import { currentTraceparent, field, withSpan, type Logger } from "@drawbridge/telemetry";
import {
  Metadata,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ServiceError,
} from "@grpc/grpc-js";
import { openChannel, openUnixChannel, type ProxySettings } from "./grpc-channel.ts";
import { fromGrpcError } from "./grpc-error.ts";
import type { GrpcMethod, RequestOf, ResponseOf } from "./grpc-service.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** For the whole call, retries included. Default 10 s; streams have none unless it is given. */
  readonly timeoutMs?: number;
  /** The call may run twice: retry it while the peer is unavailable and time is left. Default false. */
  readonly idempotent?: boolean;
}

/** The methods of a generated service as functions; failures reject with a DrawbridgeError. */
export type GrpcCalls<D> = {
  readonly [M in keyof D]: D[M] extends { requestStream: false; responseStream: false }
    ? (request: RequestOf<D[M]>, options?: CallOptions) => Promise<ResponseOf<D[M]>>
    : D[M] extends { requestStream: true; responseStream: true }
      ? (options?: Omit<CallOptions, "idempotent">) => ClientDuplexStream<RequestOf<D[M]>, ResponseOf<D[M]>>
      : D[M] extends { requestStream: false; responseStream: true }
        ? (
            request: RequestOf<D[M]>,
            options?: Omit<CallOptions, "idempotent">,
          ) => ClientReadableStream<ResponseOf<D[M]>>
        : never;
};

export interface GrpcClientOptions {
  /** host:port, or the path of a Unix socket. */
  readonly address: string;
  /**
   * Ours, shown to the server and swapped while running; or fixed TLS options (one-way TLS by pin); or none, at a Unix socket
   * in a folder that is ours alone.
   */
  readonly identity: IdentityHolder | { readonly tlsOptions: ConnectionOptions } | "unix-socket";
  /** Path of the server's SPIFFE ID: "/cp/cert-authority". */
  readonly expectedServer: string;
  readonly logger: Logger;
  /** Default 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Whether https_proxy and no_proxy of the environment apply, or a proxy of our own configuration. Default "none". */
  readonly proxy?: "none" | "environment" | ProxySettings;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface GrpcClient<D> extends Component {
  readonly call: GrpcCalls<D>;
}

interface Method extends GrpcMethod {
  readonly requestSerialize: (value: unknown) => Buffer;
  readonly responseDeserialize: (value: Buffer) => unknown;
}

/** A channel that ends when it was replaced and its last call is over. */
interface Channel {
  readonly client: Client;
  calls: number;
  isRetired: boolean;
}

/**
 * A client of one service. Its channel carries our identity and accepts one server only, told by its SPIFFE ID. When
 * the identity changes, new calls take a new channel and the old one ends with its last call.
 */
export function createGrpcClient<D extends Readonly<Record<string, GrpcMethod>>>(
  ctor: { readonly service: D; readonly serviceName: string },
  options: GrpcClientOptions,
): GrpcClient<D> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? cryptoRandom;
  const peer = options.expectedServer.replace(/^\/cp\//, "");
  const logger = options.logger.child({ [field.component]: `client:${peer}` });
  const { identity } = options;
  let current: Channel | undefined;
  let isStopped = false;
  const stopWatching =
    identity === "unix-socket" || "tlsOptions" in identity ? () => undefined : identity.onChange(() => retire());

  function channel(): Channel {
    if (isStopped)
      throw new DrawbridgeError({ kind: "unavailable", code: "CLIENT_STOPPED", message: "this process is stopping" });
    if (current) return current;
    current = { client: openClient(), calls: 0, isRetired: false };
    return current;
  }

  function openClient(): Client {
    const { address, expectedServer } = options;
    const maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
    if (identity === "unix-socket") return openUnixChannel({ path: address, maxMessageBytes });
    const tls = "tlsOptions" in identity ? identity.tlsOptions : clientTlsOptions(identity.get(), { expectedServer });
    return openChannel(tls, { address, maxMessageBytes, proxy: options.proxy ?? "none" });
  }

  function retire(): void {
    if (!current) return;
    const old = current;
    current = undefined;
    old.isRetired = true;
    if (old.calls === 0) old.client.close();
  }

  function release(used: Channel): void {
    used.calls -= 1;
    if (used.isRetired && used.calls === 0) used.client.close();
  }

  function attempt(
    method: Method,
    request: unknown,
    deadline: Date,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const used = channel();
    used.calls += 1;
    const answered = Promise.withResolvers<unknown>();
    const call: ClientUnaryCall = used.client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      traceMetadata(),
      { deadline },
      (error: ServiceError | null, response?: unknown) => {
        if (error) answered.reject(fromGrpcError(error, peer));
        else answered.resolve(response);
      },
    );
    const onAbort = (): void => call.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    return answered.promise.finally(() => {
      signal?.removeEventListener("abort", onAbort);
      release(used);
    });
  }

  async function unary(method: Method, request: unknown, callOptions: CallOptions = {}): Promise<unknown> {
    const timeoutMs = callOptions.timeoutMs ?? options.timeoutMs ?? 10_000;
    const endsAtMs = clock.monotonicMs() + timeoutMs;
    const deadline = deadlineIn(timeoutMs);
    return withSpan(
      method.path.slice(1),
      { "rpc.system": "grpc", "server.address": options.address },
      async () => {
        for (let tries = 0; ; tries += 1) {
          callOptions.signal?.throwIfAborted();
          try {
            return await attempt(method, request, deadline, callOptions.signal);
          } catch (error) {
            callOptions.signal?.throwIfAborted();
            const failure = fromGrpcError(error, peer);
            const delayMs = Math.max(
              failure.retryAfterMs ?? 0,
              fullJitterDelayMs({ attempt: tries, baseMs: 100, capMs: 2_000, floorMs: 10, random }),
            );
            const mayRetry =
              callOptions.idempotent === true && failure.kind === "unavailable" && failure.code !== "CLIENT_STOPPED";
            if (!mayRetry || clock.monotonicMs() + delayMs >= endsAtMs) throw failure;
            logger.debug(
              { [field.method]: method.path, [field.attempt]: tries, [field.delayMs]: delayMs },
              "retrying call",
            );
            await clock.sleep(delayMs, callOptions.signal);
          }
        }
      },
      { kind: "client" },
    );
  }

  function track<S extends ClientDuplexStream<unknown, unknown> | ClientReadableStream<unknown>>(
    stream: S,
    used: Channel,
    signal: AbortSignal | undefined,
  ): S {
    const onAbort = (): void => stream.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    stream.once("status", () => {
      signal?.removeEventListener("abort", onAbort);
      release(used);
    });
    return stream;
  }

  function open(method: Method, request: unknown, callOptions: CallOptions = {}) {
    callOptions.signal?.throwIfAborted();
    const used = channel();
    used.calls += 1;
    const deadline = callOptions.timeoutMs === undefined ? {} : { deadline: deadlineIn(callOptions.timeoutMs) };
    const { path, requestSerialize, responseDeserialize } = method;
    const stream = method.requestStream
      ? used.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, traceMetadata(), deadline)
      : used.client.makeServerStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          traceMetadata(),
          deadline,
        );
    return track(stream, used, callOptions.signal);
  }

  const calls = Object.fromEntries(
    Object.entries(ctor.service).map(([name, definition]) => {
      const method = definition as Method; // ts-proto puts the serialisers in every method definition
      if (!method.responseStream) return [name, (request: unknown, o?: CallOptions) => unary(method, request, o)];
      if (method.requestStream) return [name, (o?: CallOptions) => open(method, undefined, o)];
      return [name, (request: unknown, o?: CallOptions) => open(method, request, o)];
    }),
  );

  return {
    name: `client:${peer}`,
    call: calls as GrpcCalls<D>, // built from the same definition that the type is mapped from
    start: () => Promise.resolve(),
    stop: () => {
      isStopped = true;
      stopWatching();
      retire();
      return Promise.resolve();
    },
  };
}

/** grpc-js compares a deadline with the system's clock, whatever clock we were given. */
function deadlineIn(timeoutMs: number): Date {
  return new Date(systemClock.now().getTime() + timeoutMs);
}

function traceMetadata(): Metadata {
  const metadata = new Metadata();
  const traceparent = currentTraceparent();
  if (traceparent !== "") metadata.set("traceparent", traceparent);
  return metadata;
}
