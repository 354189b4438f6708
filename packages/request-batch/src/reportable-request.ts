import type { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { ReportedInstance } from "./batch-builder.ts";

/** A request of a tracked resource, once it is over. */
export interface ReportableRequest {
  /** Milliseconds since the epoch. */
  readonly receivedAtMs: number;
  /** The same object for all requests of the same API instance. */
  readonly instance: ReportedInstance;
  /** Name of the client application; empty without one. */
  readonly application: string;
  /** The matched resource as a template, never the path itself. */
  readonly resourcePath: string;
  readonly verb: string;
  /** 0 if the client left before there was an answer. */
  readonly status: number;
  readonly disposition: Disposition;
  /** The policy that refused it or failed. */
  readonly policy: { readonly policyId: string; readonly name: string } | undefined;
  readonly latencyUs: number;
  readonly upstreamUs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly clientAddress: string;
  readonly userAgent: string;
  /** Replica of the app that answered; empty if none did. */
  readonly replica: string;
}
