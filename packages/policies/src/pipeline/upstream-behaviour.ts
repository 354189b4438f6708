import type { Exchange } from "./exchange.ts";
import type { Reply } from "./reply.ts";

/** Limits in milliseconds; absent: the gateway's own. */
export interface UpstreamTimeouts {
  /** Until connected. */
  readonly connectMs?: number;
  /** From the end of the request to the head of the response. */
  readonly responseMs?: number;
  /** Between two pieces of the response. */
  readonly idleMs?: number;
  /** From the request's arrival to the end of the response, all attempts together. Off for upgrades and event streams. */
  readonly totalMs?: number;
}

/** How one attempt ended before its response was passed on. */
export type AttemptOutcome =
  | { readonly kind: "response"; readonly status: number; readonly header: (name: string) => string | undefined }
  /** No connection: the upstream saw nothing. */
  | { readonly kind: "connect_failed" }
  /** A timeout of UpstreamTimeouts or RetryPlan. */
  | { readonly kind: "timeout" }
  /** The connection broke before the head of a response. */
  | { readonly kind: "reset" };

export interface RetryPlan {
  /** Attempts in all, at least 2. */
  readonly attempts: number;
  /** Limit of one attempt up to the head of the response; 0 for none. */
  readonly attemptTimeoutMs: number;
  /** The gateway keeps a body of at most so many bytes for a repetition; a longer one is not retried. */
  readonly bufferBytes: number;
  /** Milliseconds to wait before the next attempt, or undefined: pass this outcome on. `attempt` counts from 1. */
  readonly delayMs: (exchange: Exchange, attempt: number, outcome: AttemptOutcome) => number | undefined;
}

export interface CircuitBreaker {
  /** Before each attempt: undefined lets it through. `endpoint` is "address:port" of the replica. */
  readonly enter: (exchange: Exchange, endpoint: string) => Reply | undefined;
  /** After each attempt that was let through, exactly once. "abandoned": the client went away first. */
  readonly leave: (
    exchange: Exchange,
    endpoint: string,
    outcome: AttemptOutcome | { readonly kind: "abandoned" },
  ) => void;
}

/** What policies say about the way to the upstream. Of several policies that say the same part, the first in order counts. */
export interface UpstreamBehaviour {
  readonly timeouts?: UpstreamTimeouts;
  readonly retry?: RetryPlan;
  readonly breaker?: CircuitBreaker;
}
