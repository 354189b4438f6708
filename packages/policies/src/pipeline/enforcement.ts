import type { Exchange, ExchangeEnd, ResponseHead } from "./exchange.ts";
import type { Reply } from "./reply.ts";
import type { UpstreamBehaviour } from "./upstream-behaviour.ts";

/** Sees the bytes of a response body as they are sent to the client; it cannot change or delay them. */
export interface ResponseTap {
  readonly chunk: (bytes: Uint8Array) => void;
  /** `isComplete` is false if the response broke off. */
  readonly end: (isComplete: boolean) => void;
}

/**
 * A configured policy at work. Hooks are called for requests that its conditions match. None may throw on purpose: a throw
 * in onRequest or onResponse answers 500 POLICY_FAILED, in the others it is reported and ignored.
 */
export interface Enforcement {
  /** Decide: undefined lets the request go on. Return a promise only where something is really awaited. */
  readonly onRequest?: (exchange: Exchange) => Reply | undefined | Promise<Reply | undefined>;
  /** Runs for every response of a request whose onRequest ran, replies of policies included, in reverse order. */
  readonly onResponse?: (exchange: Exchange, response: ResponseHead) => void;
  /** A look at the body of this response, or undefined. After onResponse of all policies. */
  readonly tapResponse?: (exchange: Exchange, response: ResponseHead) => ResponseTap | undefined;
  /** Once per exchange whose onRequest ran. */
  readonly onEnd?: (exchange: Exchange, end: ExchangeEnd) => void;
  /**
   * The body is read before onRequest if it has at most so many bytes; a longer one is refused with 413. Absent or 0: the
   * body is not read.
   */
  readonly bodyBytes?: number;
  /**
   * Longest body that may pass while it is streamed; the gateway counts and answers with `tooLarge` when it can, or breaks
   * the connections.
   */
  readonly streamLimit?: { readonly bytes: number; readonly tooLarge: (exchange: Exchange) => Reply };
  readonly upstream?: UpstreamBehaviour;
  /** Releases workers and timers when the policy is replaced. Requests under way may still call the hooks. */
  readonly close?: () => void;
}
