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
  /** The CA that it is under is retired: nobody accepts it, also before its end. */
  readonly isIssuerRetired: boolean;
  /** undefined if it was not revoked. */
  readonly revoked: { readonly at: Date; readonly reason: string } | undefined;
}

/** How runtime-manager sees the agent; undefined where it does not know it. */
export interface AgentStanding {
  readonly isFabricDeleted: boolean;
  readonly isReplaced: boolean;
  readonly isLocked: boolean;
  readonly isConnected: boolean;
  readonly lastSeenAt: Date | undefined;
  /** Of the last tunnel; empty before the first. */
  readonly certificateSerial: string;
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
  /** A later enrolment of the fabric got its certificates, by our own record. */
  readonly isReplaced: boolean;
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

/** How long a tunnel has to be silent before a certificate is believed that cert-authority does not know: longer than the 45 s after which it is dead (R12). */
const silentMs = 60_000;

/** Decide about an agent that has proven possession of its recovery key. */
export function decideRecovery(facts: RecoveryFacts): RecoveryDecision {
  const { claim, state, now } = facts;
  const barred = judgeStanding(facts);
  if (barred) return barred;
  const allowance = liveAllowance(facts);
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

/** Whether a recovery that was admitted, and got no certificates yet, still may have them; undefined if it may. */
export function decideResumption(facts: RecoveryFacts, recovery: Recovery): Barred | undefined {
  return judgeStanding(facts) ?? (wasRevokedSince(facts, recovery.begunAt) ? revokedRefusal : undefined);
}

type Barred = Extract<RecoveryDecision, { decision: "refuse" | "lock" }>;

/** What no allowance lifts. A lock of ours that runtime-manager does not have is put there again. */
function judgeStanding({ isFabricDeleted, isReplaced, standing, state }: RecoveryFacts): Barred | undefined {
  if (isFabricDeleted || standing?.isFabricDeleted === true) {
    return refuse("FABRIC_DELETED", "the fabric was deleted; its identity does not come back");
  }
  if (isReplaced || standing?.isReplaced === true) {
    return refuse("AGENT_REPLACED", "another agent speaks for this fabric by now; its identity does not come back");
  }
  if (standing?.isLocked === true) return locked;
  if (state.lockedAt) {
    return { decision: "lock", evidence: `two copies of this agent were seen at ${state.lockedAt.toISOString()}` };
  }
  return undefined;
}

/** An allowance is about what the operator knew then: a later revocation takes it back. */
function liveAllowance(facts: RecoveryFacts): RecoveryState["allowance"] {
  const { allowance } = facts.state;
  return allowance && facts.now < allowance.until && !wasRevokedSince(facts, allowance.at) ? allowance : undefined;
}

/** By an operator. */
function wasRevokedSince({ certificates }: Pick<RecoveryFacts, "certificates">, since: Date | undefined): boolean {
  return certificates.some(
    ({ revoked }) => revoked && !isSuperseded(revoked) && (since === undefined || revoked.at > since),
  );
}

/** What only an operator can allow. */
function refuseAutomatic(facts: RecoveryFacts): RecoveryDecision | undefined {
  const { claim, state, certificates, now } = facts;
  // Since it began, not since it was answered: what was revoked in between was revoked after it was decided.
  if (wasRevokedSince(facts, state.last?.begunAt)) return revokedRefusal;
  const presented = certificates.find(({ serialNumber }) => serialNumber === claim.certificateSerial);
  if (!presented && !isUnknownCertificateCredible(facts)) {
    return refuse(
      "RECOVERY_MANUAL_ONLY",
      "the certificate that the agent names is not one of those that are known of it, and nothing shows that it had a newer one; an operator has to make sure that only one copy of this agent runs, and allow the recovery",
    );
  }
  if (presented && !presented.revoked && !presented.isIssuerRetired && now < presented.notAfter) {
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

/**
 * A serial number that cert-authority does not know is the caller's word: a stale copy may name one to hide its own. It is believed
 * where no certificate of the agent was ever used; where runtime-manager saw it on the last tunnel (cert-authority was restored from
 * a backup, R17); or, well-formed, where nobody uses the agent's identity now.
 */
function isUnknownCertificateCredible({ claim, certificates, standing, now }: RecoveryFacts): boolean {
  if (!certificates.some(({ activatedAt }) => activatedAt !== undefined)) return true;
  if (!/^[0-9a-f]{1,40}$/.test(claim.certificateSerial)) return false;
  if (!standing || standing.certificateSerial === claim.certificateSerial) return true;
  const isSilent = standing.lastSeenAt === undefined || now.getTime() > standing.lastSeenAt.getTime() + silentMs;
  return !standing.isConnected && isSilent;
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

const revokedRefusal = refuse(
  "AGENT_REVOKED",
  "an operator revoked this agent's certificate; only an operator can let it come back",
);

function manualOnly(why: string): RecoveryDecision {
  return refuse(
    "RECOVERY_MANUAL_ONLY",
    `${why}; an operator has to make sure that only one copy of this agent runs, and allow the recovery with any join state`,
  );
}

function refuse(code: RecoveryRefusalCode, message: string): Extract<RecoveryDecision, { decision: "refuse" }> {
  return { decision: "refuse", code, message };
}
