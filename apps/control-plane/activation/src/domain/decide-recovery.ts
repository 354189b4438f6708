import type { EnrolmentKeys } from "./enrolment.ts";
import type { PresentedJoinState } from "./join-state.ts";
import type { RecoveryRefusalCode } from "./recovery-errors.ts";
import type { Recovery, RecoveryState } from "./recovery-state.ts";

/** A tunnel certificate of the agent, as cert-authority knows it. */
export interface KnownCertificate {
  readonly serialNumber: string;
  readonly issuedAt: Date;
  /** First use; undefined if there was none. */
  readonly activatedAt: Date | undefined;
  readonly notAfter: Date;
  /** undefined if it was not revoked. */
  readonly revoked: { readonly at: Date; readonly reason: string } | undefined;
}

/** How runtime-manager sees the agent; undefined where it does not know it. */
export interface AgentStanding {
  readonly isFabricDeleted: boolean;
  readonly isReplaced: boolean;
  readonly isLocked: boolean;
}

/** What an agent showed that has proven itself. */
export interface RecoveryClaim {
  readonly keys: EnrolmentKeys;
  readonly certificateSerial: string;
  readonly joinState: PresentedJoinState;
  readonly joinStateSha256: Buffer;
}

export interface RecoveryFacts {
  readonly claim: RecoveryClaim;
  readonly state: RecoveryState;
  readonly isFabricDeleted: boolean;
  readonly standing: AgentStanding | undefined;
  readonly certificates: readonly KnownCertificate[];
  readonly now: Date;
}

export type RecoveryDecision =
  | { readonly decision: "recover"; readonly joinSequence: number; readonly allowedBy: string | undefined }
  /** Two copies of one state folder: nobody goes on before an operator has looked. */
  | { readonly decision: "lock"; readonly evidence: string }
  /** The answer of the last recovery got lost. */
  | { readonly decision: "repeat"; readonly recovery: Recovery }
  | { readonly decision: "refuse"; readonly code: RecoveryRefusalCode; readonly message: string };

/** Design R7. */
const maxAutomatic = 3;
const maxExpiredMs = 30 * 24 * 3_600_000;
/** How long the same keys get the same answer. */
export const repeatWindowMs = 10 * 60_000;

/** Decide about an agent that has proven possession of its recovery key. */
export function decideRecovery(facts: RecoveryFacts): RecoveryDecision {
  const { claim, state, standing, now } = facts;
  if (facts.isFabricDeleted || standing?.isFabricDeleted === true) {
    return refuse("FABRIC_DELETED", "the fabric was deleted; its identity does not come back");
  }
  if (standing?.isReplaced === true) {
    return refuse("AGENT_REPLACED", "another agent speaks for this fabric by now; its identity does not come back");
  }
  if (standing?.isLocked === true) return locked;
  const allowance = state.allowance && now < state.allowance.until ? state.allowance : undefined;
  const trust = allowance?.acceptsAnyJoinState === true ? "operator" : judgeCopy(facts);
  if (typeof trust === "object") return trust;
  if (trust === "repeated" && state.last?.issued) {
    const isRecent = now.getTime() < state.last.issued.issuedAt.getTime() + repeatWindowMs;
    if (isRecent) return { decision: "repeat", recovery: state.last };
  }
  const refusal = allowance === undefined ? refuseAutomatic(facts) : undefined;
  if (refusal) return refusal;
  const shown = claim.joinState.shown === "ours" ? claim.joinState.sequence : 0;
  return {
    decision: "recover",
    joinSequence: Math.max(state.joinSequence, shown) + 1,
    allowedBy: allowance?.by,
  };
}

/** What only an operator can allow. */
function refuseAutomatic(facts: RecoveryFacts): RecoveryDecision | undefined {
  const { claim, state, certificates, now } = facts;
  const recoveredAt = state.last?.issued?.issuedAt.getTime() ?? -Infinity;
  if (certificates.some(({ revoked }) => revoked && !isSuperseded(revoked) && revoked.at.getTime() > recoveredAt)) {
    return refuse(
      "AGENT_REVOKED",
      "an operator revoked this agent's certificate; only an operator can let it come back",
    );
  }
  const presented = certificates.find(({ serialNumber }) => serialNumber === claim.certificateSerial);
  if (presented && !presented.revoked && now < presented.notAfter) {
    return refuse(
      "RECOVERY_NOT_NEEDED",
      `the certificate ${presented.serialNumber} is accepted until ${presented.notAfter.toISOString()}; it is ${now.toISOString()} here`,
    );
  }
  if (state.mode === "manual") {
    return refuse(
      "RECOVERY_MANUAL_ONLY",
      "the fabric's recovery mode is manual: an operator has to allow each recovery",
    );
  }
  if (state.mode === "relaxed") return undefined;
  if (state.recentAutomatic >= maxAutomatic) {
    return refuse(
      "RECOVERY_LIMIT_REACHED",
      `this agent has recovered ${state.recentAutomatic} times in 90 days by itself; an operator has to allow the next one`,
    );
  }
  const ends = [state.lastNotAfter, ...certificates.map(({ notAfter }) => notAfter)].flatMap(
    (end) => end?.getTime() ?? [],
  );
  const newestEnd = Math.max(...ends);
  if (ends.length > 0 && now.getTime() > newestEnd + maxExpiredMs) {
    return refuse(
      "RECOVERY_TOO_LATE",
      `this agent's last certificate ended at ${new Date(newestEnd).toISOString()}, more than 30 days ago; an operator has to allow its recovery`,
    );
  }
  return undefined;
}

/**
 * Whether the caller is the newest copy of the agent's state folder. A join state of ours with a lower number, or a
 * certificate older than one that was used since, was copied and left behind: proof of two copies, or of an old disk. Only what was
 * shown before with the very same new keys is a lost answer. A join state that we cannot place (a restored backup here, a
 * damaged file there) proves nothing: an operator decides, nobody is locked.
 */
function judgeCopy(facts: RecoveryFacts): "current" | "repeated" | RecoveryDecision {
  const { claim, state } = facts;
  if (state.last && isSameClaim(state.last, claim) && state.last.join.sequence === state.joinSequence)
    return "repeated";
  const certificate = judgeCertificate(facts);
  if (certificate) return certificate;
  const { joinState } = claim;
  switch (joinState.shown) {
    case "none":
      if (state.joinSequence === 0) return "current";
      return manualOnly("the agent shows no join state, and it was given one");
    case "unreadable":
      return manualOnly("the join state that the agent shows is damaged or was not made here");
    case "ours":
      if (joinState.sequence < state.joinSequence) {
        return {
          decision: "lock",
          evidence: `a recovery was asked for with join state ${joinState.sequence}, but ${state.joinSequence} is the current one`,
        };
      }
      if (joinState.sequence === state.joinSequence && state.joinNonce?.equals(joinState.nonce) === true)
        return "current";
      return manualOnly(
        `the agent shows join state ${joinState.sequence}, which is newer than what is known here (${state.joinSequence}): the control plane's record was restored from a backup`,
      );
  }
}

function judgeCertificate({ claim, certificates }: RecoveryFacts): RecoveryDecision | undefined {
  const presented = certificates.find(({ serialNumber }) => serialNumber === claim.certificateSerial);
  if (!presented) return undefined;
  const newer = certificates.find(
    ({ activatedAt, issuedAt }) => activatedAt !== undefined && issuedAt > presented.issuedAt,
  );
  if (!newer) return undefined;
  return {
    decision: "lock",
    evidence: `a recovery was asked for with the certificate ${presented.serialNumber}, but the newer ${newer.serialNumber} was used already`,
  };
}

function isSameClaim(recovery: Recovery, { keys, joinStateSha256 }: RecoveryClaim): boolean {
  return (
    recovery.presentedJoinStateSha256.equals(joinStateSha256) &&
    recovery.agentSpkiSha256 === keys.agentSpkiSha256 &&
    recovery.collectorSpkiSha256 === keys.collectorSpkiSha256
  );
}

/** cert-authority's own reason for a certificate that a later one took the place of: nobody's decision against the agent. */
function isSuperseded({ reason }: { readonly reason: string }): boolean {
  return reason === "superseded";
}

const locked = refuse(
  "AGENT_LOCKED",
  "this agent is locked: two copies of it were seen. Its apps go on; make sure that one copy runs, then an operator lifts the lock",
);

export { locked as lockedRefusal };

function manualOnly(why: string): RecoveryDecision {
  return refuse(
    "RECOVERY_MANUAL_ONLY",
    `${why}; an operator has to make sure that only one copy of this agent runs, and allow the recovery with any join state`,
  );
}

function refuse(code: RecoveryRefusalCode, message: string): Extract<RecoveryDecision, { decision: "refuse" }> {
  return { decision: "refuse", code, message };
}
