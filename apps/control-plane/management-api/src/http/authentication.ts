import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { matchesTokenSecret } from "../credentials/token-secret.ts";
import { readBearerToken, tokenRefusal } from "../domain/access-token.ts";
import type { AccessTokenRepository } from "../store/access-token-repository.ts";
import type { Caller } from "./route.ts";

/**
 * Tell who calls, from the Authorization header. The store is asked every time, so that revoking a token or changing a role
 * holds at once.
 * @throws DrawbridgeError (unauthenticated) `LOGIN_REQUIRED` | `ACCESS_TOKEN_INVALID` | `ACCESS_TOKEN_REVOKED` | `ACCESS_TOKEN_EXPIRED`
 */
export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

/** last_used_at is kept to the minute, so that reads do not become writes. */
const touchIntervalMs = 60_000;

export function createAuthenticator(deps: {
  readonly tokens: Pick<AccessTokenRepository, "findGrant" | "touch">;
  readonly clock: Pick<Clock, "now">;
}): Authenticate {
  return async (authorization) => {
    if (authorization === undefined || authorization === "") {
      throw refused("LOGIN_REQUIRED", "this needs a login: send `Authorization: Bearer <token>`");
    }
    const parts = readBearerToken(authorization);
    const grant = parts && (await deps.tokens.findGrant(parts.id));
    if (!parts || !grant || !matchesTokenSecret(parts.secret, grant.secretSha256)) {
      throw refused("ACCESS_TOKEN_INVALID", "the access token is not one of ours; log in again");
    }
    const now = deps.clock.now();
    switch (tokenRefusal(grant, now)) {
      case "revoked":
        throw refused("ACCESS_TOKEN_REVOKED", "the access token was revoked; log in again");
      case "expired":
        throw refused("ACCESS_TOKEN_EXPIRED", "the access token has expired; log in again");
      case undefined:
    }
    if (now.getTime() - (grant.lastUsedAt?.getTime() ?? 0) >= touchIntervalMs) {
      await deps.tokens.touch(grant.tokenId, now);
    }
    const { userId, username, bindings, tokenId, kind, expiresAt } = grant;
    return { userId, username, bindings, token: { id: tokenId, kind, expiresAt } };
  };
}

function refused(
  code: "LOGIN_REQUIRED" | "ACCESS_TOKEN_INVALID" | "ACCESS_TOKEN_REVOKED" | "ACCESS_TOKEN_EXPIRED",
  message: string,
): DrawbridgeError {
  return new DrawbridgeError({ kind: "unauthenticated", code, message });
}
