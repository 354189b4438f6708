/** Which kind of token a caller holds: a session comes from a login, an API token is made for a program. */
export type AccessTokenKind = "session" | "api";

/** `dbt1.<id>.<secret>`: a UUID and 32 random bytes in base64url (43 characters). */
const tokenPattern =
  /^dbt1\.(?<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.(?<secret>[A-Za-z0-9_-]{43})$/;

export interface AccessTokenParts {
  readonly id: string;
  readonly secret: string;
}

export function formatAccessToken({ id, secret }: AccessTokenParts): string {
  return `dbt1.${id}.${secret}`;
}

/** The token of an `Authorization: Bearer` header; undefined when there is none or it has another form. */
export function readBearerToken(authorization: string | undefined): AccessTokenParts | undefined {
  const [scheme, token, ...rest] = authorization?.split(" ") ?? [];
  if (scheme?.toLowerCase() !== "bearer" || token === undefined || rest.length > 0) return undefined;
  const groups = tokenPattern.exec(token)?.groups;
  return groups?.["id"] && groups["secret"] ? { id: groups["id"], secret: groups["secret"] } : undefined;
}

/** Why a token that exists is refused at `now`; undefined when it holds. Valid up to but not including `expiresAt`. */
export function tokenRefusal(
  token: { readonly expiresAt: Date; readonly revokedAt: Date | undefined },
  now: Date,
): "expired" | "revoked" | undefined {
  if (token.revokedAt) return "revoked";
  return now.getTime() >= token.expiresAt.getTime() ? "expired" : undefined;
}
