import type { PeerIdentity } from "@drawbridge/pki";
import type { ServerDuplexStream, ServerReadableStream, ServerWritableStream } from "@grpc/grpc-js";
import type { CallerPattern } from "./caller.ts";

/** What a handler knows about the call besides the request. */
export interface CallContext {
  /** Who calls, from the client certificate; undefined on listeners without client certificates. */
  readonly peer: PeerIdentity | undefined;
  readonly remoteAddress: string;
  /** Aborts when the caller hangs up or its deadline passes. */
  readonly signal: AbortSignal;
  /** W3C Trace Context of the caller; "" if it sent none. */
  readonly traceparent: string;
  readonly connectionId: string;
}

/** A method as ts-proto generates it. */
export interface GrpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export type RequestOf<M> = M extends { requestDeserialize: (value: Buffer) => infer Request } ? Request : never;
export type ResponseOf<M> = M extends { responseDeserialize: (value: Buffer) => infer Response } ? Response : never;

/**
 * The handler of a method: unary methods get a request and answer with a promise; streaming methods get the call and
 * return when the stream is over. Throw a DrawbridgeError to end with its status.
 */
export type HandlerOf<M> = M extends { requestStream: false; responseStream: false }
  ? (request: RequestOf<M>, context: CallContext) => Promise<ResponseOf<M>>
  : M extends { requestStream: true; responseStream: true }
    ? (call: ServerDuplexStream<RequestOf<M>, ResponseOf<M>>, context: CallContext) => Promise<void>
    : M extends { requestStream: false; responseStream: true }
      ? (call: ServerWritableStream<RequestOf<M>, ResponseOf<M>>, context: CallContext) => Promise<void>
      : (call: ServerReadableStream<RequestOf<M>, ResponseOf<M>>, context: CallContext) => Promise<ResponseOf<M>>;

/** A service with its handlers and who may call them. */
export interface GrpcServiceDefinition {
  readonly definition: Readonly<Record<string, GrpcMethod>>;
  readonly allow: Readonly<Record<string, readonly CallerPattern[]>>;
  readonly handlers: Readonly<Record<string, (input: never, context: CallContext) => Promise<unknown>>>;
}

/** Bind handlers to a generated service; types see to it that no method lacks a handler or a list of callers. */
export function defineGrpcService<D extends Readonly<Record<string, GrpcMethod>>>(
  definition: D,
  options: {
    readonly allow: { readonly [M in keyof D]: readonly CallerPattern[] };
    readonly handlers: { readonly [M in keyof D]: HandlerOf<D[M]> };
  },
): GrpcServiceDefinition {
  return { definition, allow: options.allow, handlers: options.handlers };
}
