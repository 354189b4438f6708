import { isDrawbridgeError, type DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import type { ActivationRequest } from "./activation-request.ts";
import { parseActivationToken, type PresentedToken } from "./activation-token.ts";
import type { DischargeRevocations } from "./discharge-revocations.ts";
import { decideRedemption, type FoundToken, type RedemptionDecision, type RefusalCode } from "./decide-redemption.ts";
import {
  certificateRequestId,
  type Enrolment,
  type IssuedCertificates,
  type IssuedChain,
  type NewEnrolment,
} from "./enrolment.ts";
import { activationUnavailable, notApproved, refusalError } from "./redemption-errors.ts";
import type { JoinStates } from "./join-state.ts";
import type { StoredToken } from "./stored-token.ts";
import { createWhileAvailable } from "./while-available.ts";

/** What redemption needs of the store. */
export interface Redemptions {
  find(tokenId: string): Promise<FoundToken | undefined>;
  /**
   * Consume the token and write the enrolment, in one transaction and only if the token is still unused at `now`.
   * `undefined`: somebody else was faster.
   */
  consume(presented: PresentedToken, enrolment: NewEnrolment, now: Date): Promise<Enrolment | undefined>;
  /**
   * Keep what was issued and announce the redemption, in one conditional statement; "kept_before" if another attempt of
   * the same redemption did. "fabric_deleted": nothing is kept, and the certificates are owed a revocation.
   */
  complete(
    enrolment: Enrolment,
    issued: IssuedCertificates,
    context: CompletionContext,
  ): Promise<"kept" | "kept_before" | "fabric_deleted">;
  /**
   * Note who waits for approval; audited once per key. "too_many": others wait already, and it is not noted.
   */
  hold(applicant: NewApplicant): Promise<"held" | "too_many">;
  /** Audit a refusal; a use after the first is counted on the token. */
  refuse(refusal: Refusal): Promise<void>;
}

export interface NewApplicant {
  readonly tokenId: string;
  readonly fabricId: string;
  readonly keySha256: string;
  readonly agentVersion: string;
  readonly remoteAddress: string;
  readonly now: Date;
}

export interface CompletionContext {
  readonly fabricId: string;
  readonly remoteAddress: string;
  readonly now: Date;
}

export interface Refusal {
  readonly code: string;
  /** Empty if it could not be read. */
  readonly tokenId: string;
  /** Empty if it is unknown. */
  readonly fabricId: string;
  readonly remoteAddress: string;
  /** Of a caller who waits for approval. */
  readonly keySha256?: string;
  readonly now: Date;
}

/** What redemption needs of cert-authority: the same request id and key give the same certificate. */
export interface FabricCertificates {
  issue(
    request: {
      readonly requestId: string;
      readonly csrDer: Buffer;
      readonly profile: "agent" | "collector";
      readonly org: string;
      readonly fabricId: string;
      readonly agentId: string;
      /** What was revoked since is not issued for again. Absent: now. */
      readonly decidedAt?: Date;
    },
    signal: AbortSignal,
  ): Promise<IssuedChain>;
  /**
   * Idempotent.
   * @throws DrawbridgeError `CERTIFICATE_NOT_FOUND` (not_found)
   */
  revoke(serialNumber: string, reason: string): Promise<void>;
}

export interface Redeemed extends IssuedCertificates {
  readonly fabricId: string;
  readonly fabricName: string;
  readonly agentId: string;
  /** For the first recovery; empty if the activation is older than join states. */
  readonly joinState: string;
  /** This answer repeats an earlier one. */
  readonly isReplay: boolean;
}

export type RedeemActivation = (
  request: ActivationRequest,
  context: { readonly remoteAddress: string; readonly signal: AbortSignal },
) => Promise<Redeemed>;

const whileAvailable = createWhileAvailable(activationUnavailable);
/** Somebody may have the token who should not. */
const suspiciousRefusals: ReadonlySet<RefusalCode> = new Set([
  "ACTIVATION_TOKEN_USED",
  "ACTIVATION_SOURCE_REFUSED",
  "ACTIVATION_KEY_REFUSED",
  "ACTIVATION_TOO_MANY_APPLICANTS",
]);
/** A lost race is decided again with what the winner wrote; a second loss cannot happen, a token is consumed once. */
const maxAttempts = 3;

/**
 * Redeem a token. It is consumed by one conditional statement together with the enrolment row; the certificates are
 * issued after that, under request ids that follow from the row. A crash or a lost reply anywhere in between is
 * healed by the retry with the same token and keys, which finds the row and goes on from there (ACT 8).
 */
export function createRedeemActivation(deps: {
  readonly redemptions: Redemptions;
  readonly certificates: Pick<FabricCertificates, "issue">;
  readonly dischargeRevocations: DischargeRevocations;
  readonly joinStates: Pick<JoinStates, "issue">;
  /** 16 random bytes. */
  readonly newJoinNonce: () => Buffer;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
}): RedeemActivation {
  const { redemptions, certificates, clock, logger } = deps;

  return async (request, { remoteAddress, signal }) => {
    const presented = await readToken(request.token, remoteAddress);
    for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
      const now = clock.now();
      const found = await whileAvailable(redemptions.find(presented.tokenId));
      const decision = decideRedemption({ found, presented, keys: request.keys, remoteAddress, now });
      if (decision.decision === "refuse") throw await refuse(decision, presented, remoteAddress);
      if (decision.decision === "hold") throw await hold(decision.token, { request, presented, remoteAddress, now });
      if (decision.decision === "replay") {
        return finish({ ...decision, presented, request, remoteAddress, signal, isReplay: true });
      }
      const enrolment = await whileAvailable(
        redemptions.consume(presented, newEnrolment(request, presented, remoteAddress), now),
      );
      if (enrolment)
        return finish({ token: decision.token, enrolment, presented, request, remoteAddress, signal, isReplay: false });
    }
    throw activationUnavailable(undefined);
  };

  async function readToken(text: string, remoteAddress: string): Promise<PresentedToken> {
    try {
      return parseActivationToken(text);
    } catch (error) {
      const code = isDrawbridgeError(error) ? error.code : "ACTIVATION_TOKEN_MALFORMED";
      await whileAvailable(redemptions.refuse({ code, tokenId: "", fabricId: "", remoteAddress, now: clock.now() }));
      logger.info({ [field.errorCode]: code, [field.remoteAddress]: remoteAddress }, "activation refused");
      throw error;
    }
  }

  async function refuse(
    { code, fabricId }: Extract<RedemptionDecision, { decision: "refuse" }>,
    { tokenId }: PresentedToken,
    remoteAddress: string,
  ): Promise<DrawbridgeError> {
    await whileAvailable(
      redemptions.refuse({ code, tokenId, fabricId: fabricId ?? "", remoteAddress, now: clock.now() }),
    );
    const isSuspicious = suspiciousRefusals.has(code);
    const level = isSuspicious ? "warn" : "info";
    logger[level](
      { [field.tokenId]: tokenId, [field.errorCode]: code, [field.remoteAddress]: remoteAddress },
      "activation refused",
    );
    return refusalError(code, { tokenId, remoteAddress });
  }

  async function hold(
    { fabricId }: StoredToken,
    asked: {
      readonly request: ActivationRequest;
      readonly presented: PresentedToken;
      readonly remoteAddress: string;
      readonly now: Date;
    },
  ): Promise<DrawbridgeError> {
    const { request, presented, remoteAddress, now } = asked;
    const { tokenId } = presented;
    const { agentVersion, keys } = request;
    const keySha256 = keys.agentSpkiSha256;
    const applicant = { tokenId, fabricId, keySha256, agentVersion, remoteAddress, now };
    if ((await whileAvailable(redemptions.hold(applicant))) === "too_many") {
      const refusal = { decision: "refuse", code: "ACTIVATION_TOO_MANY_APPLICANTS", fabricId } as const;
      return refuse(refusal, presented, remoteAddress);
    }
    return notApproved({ tokenId, keySha256 });
  }

  function newEnrolment(request: ActivationRequest, { tokenId }: PresentedToken, remoteAddress: string): NewEnrolment {
    return {
      ...request.keys,
      agentId: deps.ids.next(),
      tokenId,
      recoveryKeySpkiDer: request.recoveryKeySpkiDer,
      agentVersion: request.agentVersion,
      remoteAddress,
      joinNonce: deps.newJoinNonce(),
      enrolledAt: clock.now(),
    };
  }

  async function finish(redemption: {
    readonly token: StoredToken;
    readonly enrolment: Enrolment;
    readonly presented: PresentedToken;
    readonly request: ActivationRequest;
    readonly remoteAddress: string;
    readonly signal: AbortSignal;
    readonly isReplay: boolean;
  }): Promise<Redeemed> {
    const { token, enrolment, remoteAddress } = redemption;
    const { fabricId, fabricName } = token;
    const issued = enrolment.state === "issued" ? enrolment : await issue(redemption);
    if (enrolment.state !== "issued") {
      const completion = { fabricId, remoteAddress, now: clock.now() };
      if ((await whileAvailable(redemptions.complete(enrolment, issued, completion))) === "fabric_deleted") {
        await takeBack(fabricId);
        const refusal = { decision: "refuse", code: "ACTIVATION_TOKEN_REVOKED", fabricId } as const;
        throw await refuse(refusal, redemption.presented, remoteAddress);
      }
    }
    const ids = { [field.tokenId]: token.tokenId, [field.fabricId]: fabricId, [field.agentId]: enrolment.agentId };
    logger.info(
      { ...ids, [field.serialNumber]: issued.certificate.serialNumber, replayed: redemption.isReplay },
      "fabric activated",
    );
    return {
      fabricId,
      fabricName,
      agentId: enrolment.agentId,
      certificate: issued.certificate,
      monitoringCertificate: issued.monitoringCertificate,
      joinState: joinStateOf(enrolment),
      isReplay: redemption.isReplay,
    };
  }

  function joinStateOf({ agentId, joinNonce }: Enrolment): string {
    return joinNonce === undefined ? "" : deps.joinStates.issue(agentId, { sequence: 1, nonce: joinNonce });
  }

  /** At once if possible; what fails is owed, and asked for again until it is done. */
  async function takeBack(fabricId: string): Promise<void> {
    try {
      await deps.dischargeRevocations(fabricId);
    } catch (error) {
      logger.warn({ err: error, [field.fabricId]: fabricId }, "certificates not revoked yet, will be tried again");
    }
  }

  async function issue(redemption: {
    readonly token: StoredToken;
    readonly enrolment: Enrolment;
    readonly request: ActivationRequest;
    readonly signal: AbortSignal;
  }): Promise<IssuedCertificates> {
    const { token, enrolment, request, signal } = redemption;
    const { agentId } = enrolment;
    const common = { org: token.org, fabricId: token.fabricId, agentId };
    const requestId = (purpose: "agent" | "collector"): string => certificateRequestId(agentId, purpose);
    const [certificate, monitoringCertificate] = await whileAvailable(
      Promise.all([
        certificates.issue(
          { ...common, requestId: requestId("agent"), profile: "agent", csrDer: request.csrDer },
          signal,
        ),
        certificates.issue(
          { ...common, requestId: requestId("collector"), profile: "collector", csrDer: request.monitoringCsrDer },
          signal,
        ),
      ]),
    );
    return { certificate, monitoringCertificate };
  }
}
