import type { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import { checkCsrPair } from "./activation-request.ts";
import {
  decideRecovery,
  decideResumption,
  lockedRefusal,
  repeatWindowMs,
  type AgentStanding,
  type KnownCertificate,
  type RecoveryDecision,
  type RecoveryFacts,
} from "./decide-recovery.ts";
import type { DischargeRevocations } from "./discharge-revocations.ts";
import { recoveryRequestId, type EnrolmentKeys, type IssuedCertificates } from "./enrolment.ts";
import type { JoinStates } from "./join-state.ts";
import type { FabricCertificates, Redeemed } from "./redeem-activation.ts";
import { isChallengeAlive, type RecoveryChallenges } from "./recovery-challenge.ts";
import { recoveryRefusal, recoveryUnavailable, unproven, type RecoveryRefusalCode } from "./recovery-errors.ts";
import { sha256, type RecoveryRequest, type VerifyRecoveryProof } from "./recovery-proof.ts";
import type { NewRecovery, RecoverableAgent, Recovery, RecoveryState } from "./recovery-state.ts";
import { createWhileAvailable } from "./while-available.ts";

/** What a recovery needs of the store. */
export interface Recoveries {
  /** Both look-ups are made whether the agent exists or not. */
  find(
    agentId: string,
    challengeId: string,
  ): Promise<{ readonly agent: RecoverableAgent | undefined; readonly challenge: ChallengeUse }>;
  state(agentId: string, now: Date): Promise<RecoveryState | undefined>;
  /**
   * Admit a recovery: in one transaction, only while `known` is still the current join state, its challenge is unused and the fabric is
   * there. Uses up the operator's allowance. `undefined`: something has changed, decide again.
   */
  begin(recovery: NewRecovery, known: Pick<RecoveryState, "joinSequence" | "joinNonce">): Promise<Recovery | undefined>;
  /** Keep what was issued and announce it, once. "fabric_deleted": nothing is kept, the certificates are owed a revocation. */
  complete(
    recovery: Recovery,
    issued: IssuedCertificates,
    context: { readonly fabricId: string; readonly remoteAddress: string; readonly now: Date },
  ): Promise<"kept" | "kept_before" | "fabric_deleted">;
  /** Remember that two copies were seen, until an operator's allowance. Idempotent. */
  lock(agentId: string, now: Date): Promise<void>;
  /** Audit a refusal. One of an agent that has proven itself is kept as its last one and spends the challenge. */
  refuse(refusal: RecoveryRefusal): Promise<void>;
}

export type ChallengeUse =
  | { readonly use: "none" }
  | { readonly use: "spent" }
  | { readonly use: "recovery"; readonly recovery: Recovery };

export interface RecoveryRefusal {
  readonly code: string;
  readonly agentId: string;
  /** Empty if it is unknown. */
  readonly fabricId: string;
  /** undefined if the agent has not proven itself. */
  readonly challengeId: string | undefined;
  readonly remoteAddress: string;
  readonly now: Date;
}

/** Refuse somebody who has proven nothing: anybody can have it said, so it is not for sure that it is audited. */
export type NoteUnproven = (refusal: Omit<RecoveryRefusal, "challengeId">) => void;

/** What a recovery needs of runtime-manager. */
export interface AgentStandings {
  /** undefined if runtime-manager does not know the agent. */
  get(agentId: string, signal: AbortSignal): Promise<AgentStanding | undefined>;
  /** Idempotent; an agent that runtime-manager does not know has no tunnel to close. */
  lock(agentId: string, message: string, signal: AbortSignal): Promise<void>;
}

/** What a recovery needs of cert-authority's record: the agent's tunnel certificates, newest first. */
export interface CertificateHistory {
  ofAgent(
    agent: Pick<RecoverableAgent, "agentId" | "fabricId" | "org">,
    signal: AbortSignal,
  ): Promise<readonly KnownCertificate[]>;
}

export interface RecoverAgentDeps {
  readonly recoveries: Recoveries;
  readonly standings: AgentStandings;
  readonly history: CertificateHistory;
  readonly certificates: Pick<FabricCertificates, "issue">;
  readonly dischargeRevocations: DischargeRevocations;
  readonly joinStates: JoinStates;
  readonly challenges: Pick<RecoveryChallenges, "noncesOf">;
  readonly verifyProof: VerifyRecoveryProof;
  readonly noteUnproven: NoteUnproven;
  /** 16 random bytes. */
  readonly newJoinNonce: () => Buffer;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface CallContext {
  readonly remoteAddress: string;
  readonly signal: AbortSignal;
}

export type RecoverAgent = (request: RecoveryRequest, context: CallContext) => Promise<Redeemed>;

const whileAvailable = createWhileAvailable(recoveryUnavailable);
/** A lost race is decided again with what the winner wrote. */
const maxAttempts = 3;

/**
 * Give an agent that has lost its certificate a new identity (REN 7). Invariants: nothing but `RECOVERY_REFUSED` is said before the
 * recovery key has signed; a challenge makes at most one recovery; each recovery moves the join state on by one conditional
 * statement, so that of two copies that ask at once one is stale; what was admitted is completed by the same challenge and keys.
 */
export function createRecoverAgent(deps: RecoverAgentDeps): RecoverAgent {
  const { recoveries, clock, logger } = deps;

  return async (request, context) => {
    const { agentId, challengeId } = request;
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const { agent, challenge } = await whileAvailable(recoveries.find(agentId, challengeId));
      const nonces = deps.challenges.noncesOf(challengeId, agentId);
      const isProven = deps.verifyProof(request, nonces, agent?.recoveryKeySpkiDer);
      if (!agent || !isProven) throw refuseUnproven(request, agent, context);
      const keys = await checkCsrPair(request);
      const used = usedBefore(challenge, request, keys);
      if (used === "refused") throw refuseUnproven(request, agent, context);
      if (used?.issued) return finish({ request, agent, recovery: used, context, isReplay: true });
      const state = await whileAvailable(recoveries.state(agentId, clock.now()));
      if (!state) throw refuseUnproven(request, agent, context);
      const facts = await factsOf(request, keys, { agent, state }, context);
      if (used) {
        const barred = decideResumption(facts, used);
        if (barred) throw await refuse(barred, request, agent, context);
        return finish({ request, agent, recovery: used, context, isReplay: true });
      }
      const decision = decideRecovery(facts);
      if (decision.decision === "repeat") {
        return finish({ request, agent, recovery: decision.recovery, context, isReplay: true });
      }
      if (decision.decision !== "recover") throw await refuse(decision, request, agent, context);
      const next = newRecovery(request, facts, decision, context);
      const recovery = await whileAvailable(recoveries.begin(next, state));
      if (recovery) return finish({ request, agent, recovery, context, isReplay: false });
    }
    throw recoveryUnavailable(undefined);
  };

  /** The challenge's recovery if this is the same request again; undefined if the challenge was not used yet. */
  function usedBefore(
    challenge: ChallengeUse,
    request: RecoveryRequest,
    keys: EnrolmentKeys,
  ): Recovery | "refused" | undefined {
    const now = clock.now();
    switch (challenge.use) {
      case "none":
        return isChallengeAlive(request.challengeId, now) ? undefined : "refused";
      case "spent":
        return "refused";
      case "recovery": {
        const { recovery } = challenge;
        const isSame =
          recovery.agentId === request.agentId &&
          recovery.agentSpkiSha256 === keys.agentSpkiSha256 &&
          recovery.collectorSpkiSha256 === keys.collectorSpkiSha256 &&
          recovery.presentedJoinStateSha256.equals(sha256(request.joinState));
        return isSame && now.getTime() < recovery.begunAt.getTime() + repeatWindowMs ? recovery : "refused";
      }
    }
  }

  /** As of the instant before anything was asked: what happens while we ask is later. */
  async function factsOf(
    request: RecoveryRequest,
    keys: EnrolmentKeys,
    { agent, state }: { readonly agent: RecoverableAgent; readonly state: RecoveryState },
    { signal }: CallContext,
  ): Promise<RecoveryFacts> {
    const now = clock.now();
    const [standing, certificates] = await whileAvailable(
      Promise.all([deps.standings.get(agent.agentId, signal), deps.history.ofAgent(agent, signal)]),
    );
    return {
      claim: {
        keys,
        certificateSerial: request.certificateSerial,
        joinState: deps.joinStates.read(agent.agentId, request.joinState),
        joinStateSha256: sha256(request.joinState),
      },
      state,
      isFabricDeleted: agent.isFabricDeleted,
      isReplaced: agent.isReplaced,
      standing,
      certificates,
      now,
    };
  }

  function newRecovery(
    request: RecoveryRequest,
    { claim, now }: RecoveryFacts,
    { joinSequence, allowedBy }: Extract<RecoveryDecision, { decision: "recover" }>,
    { remoteAddress }: CallContext,
  ): NewRecovery {
    return {
      ...claim.keys,
      challengeId: request.challengeId,
      agentId: request.agentId,
      join: { sequence: joinSequence, nonce: deps.newJoinNonce() },
      presentedJoinStateSha256: sha256(request.joinState),
      allowedBy,
      agentVersion: request.agentVersion,
      remoteAddress,
      begunAt: now,
    };
  }

  async function finish(options: {
    readonly request: RecoveryRequest;
    readonly agent: RecoverableAgent;
    readonly recovery: Recovery;
    readonly context: CallContext;
    readonly isReplay: boolean;
  }): Promise<Redeemed> {
    const { request, agent, recovery, context, isReplay } = options;
    const { agentId, fabricId, fabricName } = agent;
    const issued = recovery.issued ?? (await issue(request, agent, recovery, context.signal));
    if (!recovery.issued) {
      const completion = { fabricId, remoteAddress: context.remoteAddress, now: clock.now() };
      if ((await whileAvailable(recoveries.complete(recovery, issued, completion))) === "fabric_deleted") {
        await takeBack(fabricId);
        const message = "the fabric was deleted; its identity does not come back";
        throw await refuse({ decision: "refuse", code: "FABRIC_DELETED", message }, request, agent, context);
      }
    }
    logger.info(
      {
        [field.fabricId]: fabricId,
        [field.agentId]: agentId,
        [field.serialNumber]: issued.certificate.serialNumber,
        join_sequence: recovery.join.sequence,
        allowed_by: recovery.allowedBy ?? "",
        replayed: isReplay,
      },
      "agent recovered",
    );
    return {
      fabricId,
      fabricName,
      agentId,
      certificate: issued.certificate,
      monitoringCertificate: issued.monitoringCertificate,
      joinState: deps.joinStates.issue(agentId, recovery.join),
      isReplay,
    };
  }

  async function issue(
    request: RecoveryRequest,
    { agentId, fabricId, org }: RecoverableAgent,
    { challengeId, begunAt }: Recovery,
    signal: AbortSignal,
  ): Promise<IssuedCertificates> {
    const common = { org, fabricId, agentId, decidedAt: begunAt };
    const { csrDer, monitoringCsrDer } = request;
    const requestId = (purpose: "agent" | "collector"): string => recoveryRequestId(challengeId, purpose);
    const [certificate, monitoringCertificate] = await whileAvailable(
      Promise.all([
        deps.certificates.issue({ ...common, requestId: requestId("agent"), profile: "agent", csrDer }, signal),
        deps.certificates.issue(
          { ...common, requestId: requestId("collector"), profile: "collector", csrDer: monitoringCsrDer },
          signal,
        ),
      ]),
    );
    return { certificate, monitoringCertificate };
  }

  /** At once if possible; what fails is owed, and asked for again until it is done. */
  async function takeBack(fabricId: string): Promise<void> {
    try {
      await deps.dischargeRevocations(fabricId);
    } catch (error) {
      logger.warn({ err: error, [field.fabricId]: fabricId }, "certificates not revoked yet, will be tried again");
    }
  }

  function refuseUnproven(
    { agentId }: RecoveryRequest,
    agent: RecoverableAgent | undefined,
    { remoteAddress }: CallContext,
  ): DrawbridgeError {
    const fabricId = agent?.fabricId ?? "";
    deps.noteUnproven({ code: "RECOVERY_REFUSED", agentId, fabricId, remoteAddress, now: clock.now() });
    return recoveryRefusal("RECOVERY_REFUSED", unproven);
  }

  async function refuse(
    decision: Extract<RecoveryDecision, { decision: "refuse" | "lock" }>,
    { challengeId }: RecoveryRequest,
    { agentId, fabricId }: RecoverableAgent,
    { remoteAddress, signal }: CallContext,
  ): Promise<DrawbridgeError> {
    if (decision.decision === "lock") {
      // Ours first: runtime-manager keeps none of an agent that it does not know.
      await whileAvailable(recoveries.lock(agentId, clock.now()));
      await whileAvailable(deps.standings.lock(agentId, `${decision.evidence} (asked from ${remoteAddress})`, signal));
      logger.warn(
        {
          [field.agentId]: agentId,
          [field.fabricId]: fabricId,
          [field.remoteAddress]: remoteAddress,
          evidence: decision.evidence,
        },
        "security: two copies of an agent, locked",
      );
    }
    const { code, message } = decision.decision === "lock" ? lockedRefusal : decision;
    await record({ code, agentId, fabricId, challengeId, remoteAddress });
    return recoveryRefusal(code, message);
  }

  async function record(
    refusal: Omit<RecoveryRefusal, "now" | "code"> & { readonly code: RecoveryRefusalCode },
  ): Promise<void> {
    await whileAvailable(recoveries.refuse({ ...refusal, now: clock.now() }));
    logger.info(
      {
        [field.agentId]: refusal.agentId,
        [field.errorCode]: refusal.code,
        [field.remoteAddress]: refusal.remoteAddress,
      },
      "recovery refused",
    );
  }
}
