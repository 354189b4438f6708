import { timingSafeEqual } from "node:crypto";
import { createAddressList } from "@drawbridge/config";
import type { PresentedToken } from "./activation-token.ts";
import type { Enrolment, EnrolmentKeys } from "./enrolment.ts";
import { tokenStateAt, type StoredToken } from "./stored-token.ts";

/** What is known under a token's id. */
export interface FoundToken {
  readonly token: StoredToken;
  /** The agent that it made, once it was redeemed. */
  readonly enrolment: Enrolment | undefined;
  /** For good. */
  readonly isFabricDeleted: boolean;
}

export type RefusalCode =
  | "ACTIVATION_TOKEN_UNKNOWN"
  | "ACTIVATION_TOKEN_EXPIRED"
  | "ACTIVATION_TOKEN_REVOKED"
  | "ACTIVATION_TOKEN_USED"
  | "ACTIVATION_SOURCE_REFUSED"
  | "ACTIVATION_KEY_REFUSED"
  | "ACTIVATION_TOO_MANY_APPLICANTS";

export type RedemptionDecision =
  | { readonly decision: "consume"; readonly token: StoredToken }
  /** It waits until somebody approves this key. */
  | { readonly decision: "hold"; readonly token: StoredToken }
  | { readonly decision: "replay"; readonly token: StoredToken; readonly enrolment: Enrolment }
  | { readonly decision: "refuse"; readonly code: RefusalCode; readonly fabricId: string | undefined };

/** How long an answered redemption can be repeated by its own key (design R3). */
const replayWindowMs = 10 * 60_000;
/**
 * How long a redemption that was never answered can be completed by its own key: its token is consumed, so without this an
 * outage of cert-authority longer than the window above would leave a fabric without a way in (ACT 8).
 */
const completionWindowMs = 24 * 3_600_000;
/** Compared with when no token was found, so that both cases take the same path. */
const noHash = Buffer.alloc(32);

/**
 * Decide what becomes of a presented token at `now`. A token whose hash is wrong is as unknown as one that does not
 * exist; only who has the right one learns its state.
 */
export function decideRedemption(options: {
  readonly found: FoundToken | undefined;
  readonly presented: PresentedToken;
  readonly keys: EnrolmentKeys;
  readonly remoteAddress: string;
  readonly now: Date;
}): RedemptionDecision {
  const { found, presented, keys, remoteAddress, now } = options;
  const isEqual = timingSafeEqual(found?.token.sha256 ?? noHash, presented.sha256);
  if (!found || !isEqual) {
    return { decision: "refuse", code: "ACTIVATION_TOKEN_UNKNOWN", fabricId: found?.token.fabricId };
  }
  const { token, enrolment, isFabricDeleted } = found;
  const refuse = (code: RefusalCode): RedemptionDecision => ({ decision: "refuse", code, fabricId: token.fabricId });
  if (!mayComeFrom(token, remoteAddress)) return refuse("ACTIVATION_SOURCE_REFUSED");
  const state = tokenStateAt(token, now);
  if (isFabricDeleted && state !== "redeemed") return refuse("ACTIVATION_TOKEN_REVOKED");
  switch (state) {
    case "unused":
      if (token.keySha256 !== undefined && token.keySha256 !== keys.agentSpkiSha256) {
        return refuse("ACTIVATION_KEY_REFUSED");
      }
      if (token.approval.state === "awaited") return { decision: "hold", token };
      if (token.approval.state === "given" && token.approval.keySha256 !== keys.agentSpkiSha256) {
        return refuse("ACTIVATION_KEY_REFUSED");
      }
      return { decision: "consume", token };
    case "expired":
      return refuse("ACTIVATION_TOKEN_EXPIRED");
    case "revoked":
      return refuse("ACTIVATION_TOKEN_REVOKED");
    case "redeemed":
      if (!enrolment || !hasSameKeys(enrolment, keys)) return refuse("ACTIVATION_TOKEN_USED");
      if (isFabricDeleted) return refuse("ACTIVATION_TOKEN_REVOKED");
      return isRepeatable(enrolment, now) ? { decision: "replay", token, enrolment } : refuse("ACTIVATION_TOKEN_USED");
  }
}

/** Asked of repetitions too: whoever has token and keys, but not the place, has copied them. */
function mayComeFrom({ allowedNetworks }: StoredToken, remoteAddress: string): boolean {
  return allowedNetworks.length === 0 || createAddressList(allowedNetworks).includes(remoteAddress);
}

function hasSameKeys(enrolment: EnrolmentKeys, keys: EnrolmentKeys): boolean {
  return (
    enrolment.agentSpkiSha256 === keys.agentSpkiSha256 && enrolment.collectorSpkiSha256 === keys.collectorSpkiSha256
  );
}

function isRepeatable(enrolment: Enrolment, now: Date): boolean {
  switch (enrolment.state) {
    case "pending":
      return now.getTime() < enrolment.enrolledAt.getTime() + completionWindowMs;
    case "issued":
      return now.getTime() < enrolment.issuedAt.getTime() + replayWindowMs;
    case "closed":
      return false;
  }
}
