import type { HttpProxy } from "@drawbridge/egress";
import type { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { TrustBundle } from "@drawbridge/pki";
import type { LogFormat, LogLevel } from "@drawbridge/telemetry";
import type { CaptureOrder } from "./capture-order.ts";

/*
 * What threads say to each other of captured exchanges.
 *
 * Invariants: what was not masked yet goes from a worker through the main thread to the one that masks, in memory, and nowhere
 * else. Every `exchange` that the masking thread gets is answered by one `taken`.
 */

/** Bytes as they passed, as far as they were kept. */
export interface CopiedBody {
  /** Absent: not asked for, too large, or given up. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  /** All that passed. */
  readonly sizeBytes: number;
  readonly state: "whole" | "too_large" | "incomplete";
}

/** Of a worker: a request and its answer, not masked. */
export interface CopiedExchange {
  readonly type: "exchange";
  /** Captures that it met. */
  readonly orders: readonly CaptureOrder[];
  /** That the worker holds for it, until it is taken. */
  readonly heldBytes: number;
  readonly api: {
    readonly apiId: string;
    readonly name: string;
    readonly version: string;
    readonly environment: string;
  };
  readonly app: string;
  readonly replica: string;
  readonly clientApplication: string;
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  readonly method: string;
  readonly pathTemplate: string;
  readonly status: number;
  readonly disposition: Disposition;
  readonly violatedPolicy: string;
  readonly latencyUs: number;
  readonly upstreamUs: number;
  /** Without "?". */
  readonly query: string;
  /** Name, value, name, value. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly requestBody: CopiedBody;
  readonly responseBody: CopiedBody;
}

export type InsightLossReason = "rate" | "memory" | "undelivered" | "refused" | "fault";

export interface InsightLoss {
  readonly captureId: string;
  readonly reason: InsightLossReason;
  readonly exchanges: number;
}

/** Of a worker, every second where there are any. */
export interface LostExchanges {
  readonly type: "lost_exchanges";
  readonly losses: readonly InsightLoss[];
}

/** In `workerData` of the thread that masks and sends. */
export interface InsightStart {
  readonly gatewayId: string;
  /** The fabric's owner's own list. */
  readonly redact: readonly string[];
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}

export type ToInsight =
  | CopiedExchange
  | LostExchanges
  /** Roots by which analytics-ingest is known. */
  | { readonly type: "trust"; readonly bundle: TrustBundle }
  /** Answer to `access_wanted`. */
  | { readonly type: "access"; readonly access: InsightAccess | { readonly failure: string } }
  | { readonly type: "stop"; readonly withinMs: number };

export type FromInsight =
  | { readonly type: "taken" }
  | { readonly type: "access_wanted"; readonly refusedToken: string }
  /** Nobody wants more of these. */
  | { readonly type: "full"; readonly captureIds: readonly string[] }
  | { readonly type: "status"; readonly status: InsightStatus }
  | { readonly type: "stopped" };

export interface InsightAccess {
  readonly token: string;
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  readonly proxy?: HttpProxy | undefined;
}

/** Counts are of this thread's life. */
export interface InsightStatus {
  /** Where exchanges went last; empty before the first. */
  readonly url: string;
  readonly sentExchanges: number;
  /** Of bodies of requests, also of attempts that failed. */
  readonly sentBytes: number;
  readonly waitingExchanges: number;
  readonly lost: Readonly<Partial<Record<InsightLossReason, number>>>;
  readonly trouble: { readonly sinceMs: number; readonly reason: string } | undefined;
}
