import type { DrawbridgeError } from "@drawbridge/errors";

/** What the control plane wants to be run. */
export interface DesiredMark {
  readonly generation: bigint;
  readonly digest: string;
}

/** What the fabric's gateways should enforce. */
export interface ApiConfigurationMark {
  readonly revision: bigint;
  /** "sha256:<hex>" of the root. */
  readonly digest: string;
}

/** Terms of a session, from its Welcome. */
export interface SessionTerms {
  readonly sessionId: string;
  readonly epoch: bigint;
  readonly replica: string;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
  readonly reconnectWindowMs: number;
  readonly desired: DesiredMark;
  /** From which difference of the clocks on to warn, and to call them not synced. */
  readonly clockSkew: { readonly warnMs: number; readonly failMs: number };
}

/** How a session ended. */
export type SessionEnd =
  /** The agent closed it. */
  | { readonly end: "left" }
  /** The control plane sent it away. */
  | { readonly end: "kicked"; readonly reason: string }
  /** Nothing was heard for too long. */
  | { readonly end: "dead"; readonly silentMs: number }
  /** It broke. */
  | { readonly end: "broken"; readonly error: DrawbridgeError };

export interface LogsOrder {
  readonly correlationId: string;
  readonly appId: string;
  readonly replicaId: string;
  readonly tailLines: number;
  readonly follow: boolean;
}

/** Something that the control plane said in a session. */
export type TunnelEvent =
  | { readonly event: "desired"; readonly desired: DesiredMark }
  | { readonly event: "statusAck"; readonly seq: bigint }
  | { readonly event: "serverTime"; readonly serverTime: Date }
  | { readonly event: "logs"; readonly order: LogsOrder }
  | { readonly event: "logsCancel"; readonly correlationId: string }
  | { readonly event: "drain"; readonly withinMs: number; readonly reason: string }
  | { readonly event: "apiConfiguration"; readonly mark: ApiConfigurationMark }
  | ({ readonly event: "trustBundle" } & TrustBundleOffer)
  | { readonly event: "renewed"; readonly answer: RenewAnswer }
  | { readonly event: "renewNow"; readonly withinMs: number; readonly serialNumbers: readonly string[] };

export interface TrustBundleOffer {
  readonly sequence: bigint;
  /** The way to it, signed by roots: the only part of an offer that is believed. */
  readonly succession: readonly string[];
}

/** The answer to `Renew`. */
export interface RenewAnswer {
  readonly correlationId: string;
  /** Leaf first; empty on an error. */
  readonly certificatesDer: readonly Uint8Array[];
  readonly trustBundle: TrustBundleOffer | undefined;
  /** Empty without an error. */
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly retryAfterMs: number;
}
