import type { RefuseOptions } from "../../pipeline/reply.ts";
import type { TokenProblem } from "./token-verifier.ts";

/** Answers of RFC 6750, section 3. The caller learns what it can mend (expiry, scope); the rest is "invalid". */
const missing: RefuseOptions = {
  status: 401,
  reason: "token_missing",
  title: "A bearer token is required",
  headers: ["www-authenticate", "Bearer"],
};

const invalid: RefuseOptions = {
  status: 401,
  reason: "token_invalid",
  title: "The token is not valid here",
  headers: ["www-authenticate", 'Bearer error="invalid_token"'],
};

const expired: RefuseOptions = {
  status: 401,
  reason: "token_expired",
  title: "The token has expired",
  headers: ["www-authenticate", 'Bearer error="invalid_token", error_description="expired"'],
};

const busy: RefuseOptions = {
  status: 503,
  reason: "token_check_busy",
  title: "Too many tokens are being checked",
  headers: ["retry-after", "1"],
};

const unavailable: RefuseOptions = {
  status: 503,
  reason: "token_check_unavailable",
  title: "Tokens cannot be checked at the moment",
  headers: ["retry-after", "5"],
};

const unknownClient: RefuseOptions = {
  status: 403,
  reason: "client_without_contract",
  title: "The client application has no contract with this API",
};

export const tokenRefusals = { missing, invalid, expired, busy, unavailable, unknownClient } as const;

export function scopeRefusal(scopes: readonly string[]): RefuseOptions {
  return {
    status: 403,
    reason: "token_scope_missing",
    title: "The token does not grant what this request needs",
    headers: ["www-authenticate", `Bearer error="insufficient_scope", scope="${scopes.join(" ")}"`],
  };
}

export function refusalOfProblem(problem: TokenProblem, scopes: readonly string[]): RefuseOptions {
  switch (problem) {
    case "busy":
      return busy;
    case "unavailable":
      return unavailable;
    case "expired":
      return expired;
    case "scope":
      return scopeRefusal(scopes);
    case "inactive":
    case "malformed":
    case "algorithm":
    case "unknown_key":
    case "signature":
    case "token_type":
    case "issuer":
    case "audience":
    case "malformed_time":
    case "no_expiry":
    case "not_yet_valid":
    case "required_claim":
      return invalid;
  }
}
