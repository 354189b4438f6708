import type { EnrolmentKeys, IssuedCertificates } from "./enrolment.ts";
import type { JoinMark } from "./join-state.ts";

/** What is done without an operator. */
export type RecoveryMode = "standard" | "relaxed" | "manual";

/** An agent as a recovery needs it, kept since its activation. */
export interface RecoverableAgent {
  readonly agentId: string;
  readonly fabricId: string;
  readonly fabricName: string;
  readonly org: string;
  readonly recoveryKeySpkiDer: Buffer;
  readonly isFabricDeleted: boolean;
  /** A later enrolment of the same fabric got its certificates. */
  readonly isReplaced: boolean;
}

/** A recovery that was admitted; each gives one join state. */
export interface Recovery extends EnrolmentKeys {
  readonly challengeId: string;
  readonly agentId: string;
  readonly join: JoinMark;
  /** Of what it was asked with. */
  readonly presentedJoinStateSha256: Buffer;
  /** Who allowed it; undefined if it was automatic. */
  readonly allowedBy: string | undefined;
  readonly begunAt: Date;
  /** undefined until cert-authority has answered. */
  readonly issued: (IssuedCertificates & { readonly issuedAt: Date }) | undefined;
}

export interface NewRecovery extends Omit<Recovery, "issued"> {
  readonly agentVersion: string;
  readonly remoteAddress: string;
}

/** One recovery that an operator allowed outside the limits. */
export interface RecoveryAllowance {
  readonly at: Date;
  readonly until: Date;
  readonly by: string;
  readonly acceptsAnyJoinState: boolean;
}

/** How the recovery of an agent stands. */
export interface RecoveryState {
  readonly agentId: string;
  readonly fabricId: string;
  readonly mode: RecoveryMode;
  /** 0 if no join state was ever given. */
  readonly joinSequence: number;
  readonly joinNonce: Buffer | undefined;
  readonly allowance: RecoveryAllowance | undefined;
  /** Since when two copies of it are known; an allowance lifts it. */
  readonly lockedAt: Date | undefined;
  readonly lastRefusal: { readonly code: string; readonly at: Date } | undefined;
  /** The newest recovery. */
  readonly last: Recovery | undefined;
  /** End of the newest tunnel certificate that activation got for the agent; undefined if it got none. */
  readonly lastNotAfter: Date | undefined;
  /** Answered ones in the last 90 days. */
  readonly recent: number;
  /** Those of them that no operator allowed. */
  readonly recentAutomatic: number;
}

/** Of limits and reports. */
export const recoveryPeriodMs = 90 * 24 * 3_600_000;
