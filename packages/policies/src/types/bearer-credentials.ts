/** What a request carries as its token: none, one, or something that is neither. */
export type BearerCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "malformed" }
  | { readonly kind: "token"; readonly token: string };

/** RFC 6750, section 2.1. Matching stops at the first other character, so two fields (joined by ", ") are malformed. */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;
const bare = /^[A-Za-z0-9\-._~+/]+=*$/;

/** Values of Authorization seen lately: a client sends the same one again and again, and the pattern looks at each character. */
const known = new Map<string, BearerCredentials>();
const mostKnown = 1_024;
const longestKnown = 4_096;

/**
 * Read a token from a header's value. In Authorization the scheme must be Bearer; another scheme is no bearer token at all.
 * In a header of the operator's choice the value is the token, with or without the scheme.
 */
export function readBearerToken(
  value: string | undefined,
  { isAuthorization }: { isAuthorization: boolean },
): BearerCredentials {
  if (value === undefined || value === "") return { kind: "none" };
  if (!isAuthorization) return readValue(value, false);
  const before = known.get(value);
  if (before !== undefined) return before;
  const credentials = readValue(value, true);
  if (credentials.kind === "token" && value.length <= longestKnown) {
    if (known.size >= mostKnown) known.clear();
    known.set(value, credentials);
  }
  return credentials;
}

function readValue(value: string, isAuthorization: boolean): BearerCredentials {
  const token = bearer.exec(value)?.[1] ?? (isAuthorization || !bare.test(value) ? undefined : value);
  if (token !== undefined) return { kind: "token", token };
  return isAuthorization && !/^bearer\b/i.test(value) ? { kind: "none" } : { kind: "malformed" };
}
