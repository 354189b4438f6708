import { AnalyticsGrant as GrantMessage } from "@drawbridge/contracts/analytics/v1/access";
import { DrawbridgeError } from "@drawbridge/errors";
import { verifyJws, type TrustBundle } from "@drawbridge/pki";
import { analyticsTokenSigner, analyticsTokenType, maxTokenCharacters, type AnalyticsGrant } from "./grant.ts";

/** Clocks of the signer and of the verifier may differ by this much. */
export const clockLeewayMs = 30_000;

export interface VerifyGrantOptions {
  readonly token: string;
  readonly trustBundle: TrustBundle;
  readonly now: Date;
}

/**
 * The grant of a token that runtime-manager signed and whose time has not run out.
 * @throws DrawbridgeError (unauthenticated) `ANALYTICS_TOKEN_INVALID` | `ANALYTICS_TOKEN_EXPIRED`
 */
export async function verifyGrant({ token, trustBundle, now }: VerifyGrantOptions): Promise<AnalyticsGrant> {
  if (token.length === 0 || token.length > maxTokenCharacters) throw invalid("it is empty or too long");
  const grant = grantOfPayload(await payloadOf({ token, trustBundle, now }));
  assertInTime(grant, now);
  return grant;
}

/** @throws DrawbridgeError `ANALYTICS_TOKEN_INVALID` | `ANALYTICS_TOKEN_EXPIRED` (unauthenticated) */
export function assertInTime({ issuedAt, expiresAt }: AnalyticsGrant, now: Date): void {
  if (now.getTime() >= expiresAt.getTime() + clockLeewayMs) throw expired(expiresAt);
  if (now.getTime() < issuedAt.getTime() - clockLeewayMs) {
    throw invalid(`it is of ${issuedAt.toISOString()}, and it is ${now.toISOString()}: check the clocks`);
  }
}

async function payloadOf({ token, trustBundle, now }: VerifyGrantOptions): Promise<Uint8Array> {
  try {
    const { payload } = await verifyJws({
      jws: token,
      trustBundle,
      expectedSigner: analyticsTokenSigner,
      type: analyticsTokenType,
      at: now,
    });
    return payload;
  } catch (cause) {
    throw invalid("it is not one that this control plane signed", cause);
  }
}

function grantOfPayload(payload: Uint8Array): AnalyticsGrant {
  let message: GrantMessage;
  try {
    message = GrantMessage.fromJSON(JSON.parse(Buffer.from(payload).toString("utf8")));
  } catch (cause) {
    throw invalid("it cannot be read", cause);
  }
  const { fabricId, environments, issuedAt, expiresAt, tokenId } = message;
  if (fabricId === "" || tokenId === "" || !isInstant(issuedAt) || !isInstant(expiresAt))
    throw invalid("it lacks a field");
  return { fabricId, environments, issuedAt, expiresAt, tokenId };
}

function isInstant(at: Date | undefined): at is Date {
  return at !== undefined && !Number.isNaN(at.getTime());
}

function invalid(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "ANALYTICS_TOKEN_INVALID",
    message: `the token is refused: ${what}; ask for another one`,
    cause,
  });
}

function expired(expiresAt: Date): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unauthenticated",
    code: "ANALYTICS_TOKEN_EXPIRED",
    message: `the token was valid until ${expiresAt.toISOString()}; ask for another one`,
  });
}
