import type { HttpProxy } from "@drawbridge/egress";
import type { TrustBundle } from "@drawbridge/pki";
import type { LogFormat, LogLevel } from "@drawbridge/telemetry";
import type { LostRequests, RecordedRequests } from "../workers/protocol.ts";
import type { RecordedCount } from "./recorded-counts.ts";
import type { LossReason } from "./spool/gap-list.ts";
import type { SpoolStats } from "./spool/spool-options.ts";

/*
 * What the main thread and the exporter say to each other.
 *
 * Invariant: every `requests` is answered by one `taken`, once it is in the spool or counted as lost.
 */

/** In `workerData`. */
export interface ExporterStart {
  /** Of the spool. */
  readonly directory: string;
  /** Spools of gateways that are gone, and where those are that we took over. */
  readonly leftDirectory: string;
  readonly takenDirectory: string;
  /** Where is written down what was sent. */
  readonly egressDirectory: string;
  readonly gatewayId: string;
  readonly spoolBytes: number;
  readonly maxAgeMs: number;
  /** What was recorded before this thread: by earlier processes, and in this one. */
  readonly recordedBefore: RecordedCount | undefined;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}

export type ToExporter =
  | RecordedRequests
  /** Recorded, and never came so far. */
  | { readonly type: "lost"; readonly loss: LostRequests }
  /** Roots by which analytics-ingest is known; at the start and when they change. */
  | { readonly type: "trust"; readonly bundle: TrustBundle }
  /** Answer to `access_wanted`. */
  | { readonly type: "access"; readonly access: AnalyticsAccess | { readonly failure: string } }
  /** Deliver what there is if that goes well, for so long, and end in order. */
  | { readonly type: "stop"; readonly withinMs: number };

export type FromExporter =
  | { readonly type: "taken"; readonly bytes: number; readonly rows: number }
  /** Another one than the token that was refused; empty: any. */
  | { readonly type: "access_wanted"; readonly refusedToken: string }
  /** Threads should not send more often. */
  | { readonly type: "pace"; readonly flushEveryMs: number }
  | { readonly type: "status"; readonly status: ExporterStatus }
  | { readonly type: "stopped" };

export interface AnalyticsAccess {
  readonly token: string;
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** Through which to reach it. */
  readonly proxy?: HttpProxy | undefined;
}

/** Counts are of this thread's life. */
export interface ExporterStatus {
  /** `undefined`: it cannot be opened; then `failure` of delivery says why. */
  readonly spool: SpoolStats | undefined;
  /** Requests of gateways that are gone, which wait here. */
  readonly takenOver: number;
  readonly sentBatches: number;
  readonly sentRequests: number;
  readonly refusedBatches: number;
  readonly lost: Readonly<Partial<Record<LossReason, number>>>;
  /** Since when nothing was delivered though it was tried, and why; `undefined`: the last attempt went well. */
  readonly trouble: { readonly sinceMs: number; readonly reason: string } | undefined;
}
