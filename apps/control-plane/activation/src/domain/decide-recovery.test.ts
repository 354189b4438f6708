import { expect, test } from "vitest";
import {
  decideRecovery,
  decideResumption,
  type AgentStanding,
  type KnownCertificate,
  type RecoveryFacts,
} from "./decide-recovery.ts";
import type { JoinMark } from "./join-state.ts";
import type { Recovery, RecoveryState } from "./recovery-state.ts";

const now = new Date("2026-05-01T12:00:00Z");
const days = (count: number): Date => new Date(now.getTime() + count * 86_400_000);
const minutes = (count: number): Date => new Date(now.getTime() + count * 60_000);
const nonce = Buffer.alloc(16, 1);
const shownSha256 = Buffer.alloc(32, 2);
const keys = { agentSpkiSha256: "aa", collectorSpkiSha256: "bb" };
const current: JoinMark = { sequence: 4, nonce };

function aState(change: Partial<RecoveryState> = {}): RecoveryState {
  return {
    agentId: "a1",
    fabricId: "f1",
    mode: "standard",
    joinSequence: current.sequence,
    joinNonce: current.nonce,
    allowance: undefined,
    lockedAt: undefined,
    lastRefusal: undefined,
    last: undefined,
    lastNotAfter: days(-3),
    recent: 0,
    recentAutomatic: 0,
    ...change,
  };
}

function aCertificate(change: Partial<KnownCertificate> = {}): KnownCertificate {
  return {
    serialNumber: "01",
    issuedAt: days(-10),
    activatedAt: days(-10),
    notAfter: days(-3),
    isIssuerRetired: false,
    revoked: undefined,
    ...change,
  };
}

function aRecovery(issuedAt: Date): Recovery {
  const chain = { serialNumber: "02", certificatesDer: [], notAfter: days(4) };
  return {
    ...keys,
    challengeId: "c1",
    agentId: "a1",
    join: current,
    presentedJoinStateSha256: shownSha256,
    allowedBy: undefined,
    begunAt: issuedAt,
    issued: { issuedAt, certificate: chain, monitoringCertificate: chain },
  };
}

function aStanding(change: Partial<AgentStanding> = {}): AgentStanding {
  return {
    isFabricDeleted: false,
    isReplaced: false,
    isLocked: false,
    isConnected: false,
    lastSeenAt: days(-3),
    certificateSerial: "01",
    ...change,
  };
}

interface Change extends Partial<Omit<RecoveryFacts, "claim">> {
  readonly claim?: Partial<RecoveryFacts["claim"]>;
}

const decide = (change: Change = {}) => decideRecovery(someFacts(change));

function someFacts({ claim, ...change }: Change = {}): RecoveryFacts {
  return {
    claim: {
      keys,
      certificateSerial: "01",
      joinState: { shown: "ours", ...current },
      joinStateSha256: shownSha256,
      ...claim,
    },
    state: aState(),
    isFabricDeleted: false,
    isReplaced: false,
    standing: aStanding(),
    certificates: [aCertificate()],
    now,
    ...change,
  };
}

const allowance = { at: minutes(-1), until: days(1), by: "alice", acceptsAnyJoinState: false };
const anyJoinState = { ...allowance, acceptsAnyJoinState: true };
const revoked = { at: days(-4), reason: "stolen" };

test("an agent whose certificate ended within 30 days goes on with the next join state (R7)", () => {
  expect(decide()).toEqual({ decision: "recover", joinSequence: 5, allowedBy: undefined });
});

test.each<{ readonly what: string; readonly change: Change; readonly code: string }>([
  { what: "a fabric deleted here", change: { isFabricDeleted: true }, code: "FABRIC_DELETED" },
  {
    what: "a fabric deleted at runtime-manager",
    change: { standing: aStanding({ isFabricDeleted: true }) },
    code: "FABRIC_DELETED",
  },
  {
    what: "a replaced agent",
    change: { standing: aStanding({ isReplaced: true }) },
    code: "AGENT_REPLACED",
  },
  {
    what: "a locked agent",
    change: { standing: aStanding({ isLocked: true }) },
    code: "AGENT_LOCKED",
  },
  {
    what: "a locked agent that was allowed before the lock",
    change: {
      standing: aStanding({ isLocked: true }),
      state: aState({ allowance: anyJoinState }),
    },
    code: "AGENT_LOCKED",
  },
  {
    what: "a certificate that an operator revoked",
    change: { certificates: [aCertificate({ revoked })] },
    code: "AGENT_REVOKED",
  },
  {
    what: "an operator's revocation after the last recovery",
    change: {
      certificates: [aCertificate({ revoked })],
      state: aState({ last: aRecovery(days(-5)) }),
      claim: { joinStateSha256: Buffer.alloc(32) },
    },
    code: "AGENT_REVOKED",
  },
  {
    what: "a valid certificate",
    change: { certificates: [aCertificate({ notAfter: days(1) })] },
    code: "RECOVERY_NOT_NEEDED",
  },
  {
    what: "an agent whose fabric has a later enrolment, though runtime-manager does not know it",
    change: { isReplaced: true, standing: undefined, state: aState({ allowance: anyJoinState }) },
    code: "AGENT_REPLACED",
  },
  {
    what: "an allowance from before the last revocation",
    change: {
      certificates: [aCertificate({ revoked })],
      state: aState({ allowance: { ...anyJoinState, at: days(-4.1) } }),
    },
    code: "AGENT_REVOKED",
  },
  {
    what: "a revoked certificate whose root has left the trust bundle",
    change: { certificates: [aCertificate({ revoked, notAfter: days(1), isIssuerRetired: true })] },
    code: "AGENT_REVOKED",
  },
  {
    what: "a revocation between the beginning of the last recovery and its answer",
    change: {
      certificates: [aCertificate({ revoked })],
      state: aState({ last: { ...aRecovery(days(-3.9)), begunAt: days(-4.1) } }),
      claim: { joinStateSha256: Buffer.alloc(32) },
    },
    code: "AGENT_REVOKED",
  },
  {
    what: "no certificate, where one was used",
    change: { claim: { certificateSerial: "" }, standing: undefined },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "no certificate, where one was used, in relaxed mode",
    change: { claim: { certificateSerial: "" }, state: aState({ mode: "relaxed" }) },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "an unknown certificate of an agent that is on its tunnel",
    change: { claim: { certificateSerial: "ff" }, standing: aStanding({ isConnected: true }) },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "an unknown certificate of an agent that was seen a minute ago",
    change: { claim: { certificateSerial: "ff" }, standing: aStanding({ lastSeenAt: minutes(-1) }) },
    code: "RECOVERY_MANUAL_ONLY",
  },
  { what: "manual mode", change: { state: aState({ mode: "manual" }) }, code: "RECOVERY_MANUAL_ONLY" },
  {
    what: "no join state, where one was given",
    change: { claim: { joinState: { shown: "none" } } },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "a damaged join state",
    change: { claim: { joinState: { shown: "unreadable" } } },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "a join state newer than our record (R17)",
    change: { claim: { joinState: { shown: "ours", sequence: 6, nonce } } },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "a join state of the same number and another history (R17)",
    change: { claim: { joinState: { shown: "ours", sequence: 4, nonce: Buffer.alloc(16, 9) } } },
    code: "RECOVERY_MANUAL_ONLY",
  },
  {
    what: "a fourth recovery in 90 days",
    change: { state: aState({ recentAutomatic: 3 }) },
    code: "RECOVERY_LIMIT_REACHED",
  },
  {
    what: "a certificate that ended more than 30 days ago",
    change: { certificates: [aCertificate({ notAfter: days(-30.01) })], state: aState({ lastNotAfter: days(-31) }) },
    code: "RECOVERY_TOO_LATE",
  },
  {
    what: "a certificate that only we remember, ended more than 30 days ago",
    change: { certificates: [], state: aState({ lastNotAfter: days(-31) }) },
    code: "RECOVERY_TOO_LATE",
  },
])("refuses $what: $code", ({ change, code }) => {
  expect(decide(change)).toMatchObject({ decision: "refuse", code });
});

test.each<{ readonly what: string; readonly change: Change }>([
  { what: "30 days after the end", change: { certificates: [aCertificate({ notAfter: days(-30) })] } },
  { what: "when runtime-manager does not know the agent (restored backup)", change: { standing: undefined } },
  { what: "when cert-authority does not know the certificate (restored backup)", change: { certificates: [] } },
  {
    what: "when cert-authority does not know the certificate of the last tunnel (restored backup, R17)",
    change: {
      claim: { certificateSerial: "ff" },
      standing: aStanding({ certificateSerial: "ff", lastSeenAt: minutes(-1) }),
    },
  },
  {
    what: "with an unknown certificate when the tunnel is silent for more than a minute (R17)",
    change: { claim: { certificateSerial: "ff" }, standing: aStanding({ lastSeenAt: minutes(-1.1) }) },
  },
  {
    what: "with no certificate, if an operator allowed it",
    change: { claim: { certificateSerial: "" }, state: aState({ allowance }) },
  },
  {
    what: "when the certificate was superseded, which nobody decided against the agent",
    change: { certificates: [aCertificate({ notAfter: days(1), revoked: { at: days(-1), reason: "superseded" } })] },
  },
  {
    what: "with an unexpired certificate whose root has left the trust bundle (R8)",
    change: { certificates: [aCertificate({ notAfter: days(1), isIssuerRetired: true })] },
  },
  {
    what: "when an operator allowed it after a revocation",
    change: { certificates: [aCertificate({ revoked })], state: aState({ allowance }) },
  },
  {
    what: "after a revocation that a recovery followed",
    change: {
      certificates: [aCertificate({ revoked })],
      state: aState({ last: aRecovery(days(-3.5)) }),
      claim: { joinStateSha256: Buffer.alloc(32) },
    },
  },
  {
    what: "in relaxed mode without limits",
    change: { state: aState({ mode: "relaxed", recentAutomatic: 9, lastNotAfter: days(-300) }), certificates: [] },
  },
  {
    what: "with an operator's leave, in manual mode, beyond limits",
    change: { state: aState({ mode: "manual", recentAutomatic: 9, allowance }) },
  },
  {
    what: "with no join state where none was ever given",
    change: { state: aState({ joinSequence: 0, joinNonce: undefined }), claim: { joinState: { shown: "none" } } },
  },
  {
    what: "with any join state, if the operator said so",
    change: { state: aState({ allowance: anyJoinState }), claim: { joinState: { shown: "unreadable" } } },
  },
])("recovers $what", ({ change }) => {
  expect(decide(change)).toMatchObject({ decision: "recover" });
});

test("an allowance ends at its instant", () => {
  const state = aState({ mode: "manual", allowance: { ...allowance, until: now } });
  expect(decide({ state })).toMatchObject({ decision: "refuse", code: "RECOVERY_MANUAL_ONLY" });
});

test.each<{ readonly what: string; readonly change: Change }>([
  {
    what: "two copies that were seen before, whatever runtime-manager knows",
    change: { state: aState({ lockedAt: days(-1), allowance: anyJoinState }), standing: undefined },
  },
  {
    what: "a join state that was left behind",
    change: { claim: { joinState: { shown: "ours", sequence: 3, nonce } } },
  },
  {
    what: "it, although an operator allowed the current one",
    change: { claim: { joinState: { shown: "ours", sequence: 3, nonce } }, state: aState({ allowance }) },
  },
  {
    what: "a certificate older than one that was used since",
    change: { certificates: [aCertificate({ serialNumber: "02", issuedAt: days(-6) }), aCertificate()] },
  },
  {
    what: "the keys of the last recovery with another join state",
    change: {
      claim: { joinState: { shown: "ours", sequence: 3, nonce }, joinStateSha256: Buffer.alloc(32) },
      state: aState({ last: aRecovery(minutes(-1)) }),
    },
  },
  {
    what: "the join state of the last recovery with other keys",
    change: {
      claim: {
        joinState: { shown: "ours", sequence: 3, nonce },
        keys: { agentSpkiSha256: "cc", collectorSpkiSha256: "dd" },
      },
      state: aState({ last: aRecovery(minutes(-1)) }),
    },
  },
])("locks the agent for $what (R7)", ({ change }) => {
  expect(decide(change)).toMatchObject({ decision: "lock" });
});

test("a later certificate that was never used does not make the shown one stale", () => {
  const certificates = [
    aCertificate({ serialNumber: "02", issuedAt: days(-6), activatedAt: undefined }),
    aCertificate(),
  ];
  expect(decide({ certificates })).toMatchObject({ decision: "recover" });
});

const left = { joinState: { shown: "ours", sequence: 3, nonce }, joinStateSha256: shownSha256 } as const;

test("the same keys and join state within ten minutes get the same answer: the first was lost", () => {
  const last = aRecovery(minutes(-9));
  expect(decide({ claim: left, state: aState({ last }) })).toEqual({ decision: "repeat", recovery: last });
});

test("the same keys and join state after ten minutes get a new certificate, and are no second copy", () => {
  const state = aState({ last: aRecovery(minutes(-10)) });
  expect(decide({ claim: left, state })).toMatchObject({ decision: "recover", joinSequence: 5 });
});

test("the next join state is newer than both what we know and what was shown", () => {
  const state = aState({ allowance: anyJoinState });
  const claim = { joinState: { shown: "ours", sequence: 9, nonce } } as const;
  expect(decide({ claim, state })).toEqual({ decision: "recover", joinSequence: 10, allowedBy: "alice" });
});

test.each<{ readonly what: string; readonly change: Change; readonly outcome: object }>([
  { what: "a later enrolment", change: { isReplaced: true }, outcome: { code: "AGENT_REPLACED" } },
  { what: "a deleted fabric", change: { isFabricDeleted: true }, outcome: { code: "FABRIC_DELETED" } },
  { what: "a lock", change: { standing: aStanding({ isLocked: true }) }, outcome: { code: "AGENT_LOCKED" } },
  { what: "a lock of ours", change: { state: aState({ lockedAt: now }) }, outcome: { decision: "lock" } },
  {
    what: "a revocation since it began",
    change: { certificates: [aCertificate({ revoked: { at: minutes(-1), reason: "stolen" } })] },
    outcome: { code: "AGENT_REVOKED" },
  },
])("a recovery that began and has no certificates yet is not finished after $what", ({ change, outcome }) => {
  const begun = { ...aRecovery(minutes(-2)), issued: undefined };
  expect(decideResumption(someFacts(change), begun)).toMatchObject(outcome);
});

test("a recovery that began is finished although a revocation came before it", () => {
  const certificates = [aCertificate({ revoked })];
  expect(decideResumption(someFacts({ certificates }), { ...aRecovery(minutes(-2)), issued: undefined })).toBe(
    undefined,
  );
});
