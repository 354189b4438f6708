import { normalType, type CompactJws } from "./compact-jws.ts";

/** What a token must say beside being signed. */
export interface ClaimRules {
  /** One of these must have issued it; empty: not looked at (an issuer that was asked itself). */
  readonly issuers: readonly string[];
  /** One of these must be among its audiences; empty: not looked at (the operator said so). */
  readonly audiences: readonly string[];
  readonly leewaySeconds: number;
  readonly isExpiryRequired: boolean;
  readonly tokenType: string | undefined;
  readonly requiredClaims: readonly { readonly name: string; readonly values: readonly string[] | undefined }[];
  /** All of these, in `scope` (RFC 8693, section 4.2) or `scp`. */
  readonly scopes: readonly string[];
}

export type ClaimProblem =
  | "token_type"
  | "issuer"
  | "audience"
  | "malformed_time"
  | "no_expiry"
  | "expired"
  | "not_yet_valid"
  | "required_claim"
  | "scope";

/** @returns what is wrong with the claims at `nowMs`, or undefined (RFC 7519 section 4.1, RFC 8725 sections 3.8 to 3.11). */
export function findClaimProblem(
  token: Pick<CompactJws, "claims" | "type">,
  rules: ClaimRules,
  nowMs: number,
): ClaimProblem | undefined {
  const { claims } = token;
  if (rules.tokenType !== undefined && token.type !== normalType(rules.tokenType)) return "token_type";
  if (rules.issuers.length > 0 && !isAmong(claimOf(claims, "iss"), rules.issuers)) return "issuer";
  if (rules.audiences.length > 0 && !valuesOf(claims, "aud").some((one) => rules.audiences.includes(one)))
    return "audience";
  const timeProblem = findTimeProblem(claims, rules, nowMs);
  if (timeProblem) return timeProblem;
  for (const { name, values } of rules.requiredClaims) {
    const value = claimOf(claims, name);
    if (value === undefined || value === null) return "required_claim";
    if (values && !valuesOf(claims, name).some((one) => values.includes(one))) return "required_claim";
  }
  return hasScopes(claims, rules.scopes) ? undefined : "scope";
}

function isAmong(value: unknown, known: readonly string[]): boolean {
  return typeof value === "string" && known.includes(value);
}

function findTimeProblem(
  claims: Readonly<Record<string, unknown>>,
  rules: Pick<ClaimRules, "leewaySeconds" | "isExpiryRequired">,
  nowMs: number,
): ClaimProblem | undefined {
  const nowSeconds = nowMs / 1000;
  const expiry = claimOf(claims, "exp");
  const notBefore = claimOf(claims, "nbf");
  if (expiry === undefined && rules.isExpiryRequired) return "no_expiry";
  if (expiry !== undefined && !isNumericDate(expiry)) return "malformed_time";
  if (notBefore !== undefined && !isNumericDate(notBefore)) return "malformed_time";
  if (expiry !== undefined && nowSeconds >= expiry + rules.leewaySeconds) return "expired";
  if (notBefore !== undefined && nowSeconds < notBefore - rules.leewaySeconds) return "not_yet_valid";
  return undefined;
}

function isNumericDate(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** The claim itself, never something inherited: a claim may be called "constructor". */
export function claimOf(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** A claim as texts: itself, or the members of a list. What is neither text, number nor boolean is left out. */
export function valuesOf(claims: Readonly<Record<string, unknown>>, name: string): string[] {
  const value = claimOf(claims, name);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.flatMap((one) => {
    if (typeof one === "string") return one;
    return typeof one === "number" || typeof one === "boolean" ? String(one) : [];
  });
}

/** Whether all of `scopes` were granted, as words of `scope` or members of `scp`. */
function hasScopes(claims: Readonly<Record<string, unknown>>, scopes: readonly string[]): boolean {
  if (scopes.length === 0) return true;
  const granted = new Set(
    [...valuesOf(claims, "scope"), ...valuesOf(claims, "scp")].flatMap((text) => text.split(" ")),
  );
  return scopes.every((scope) => granted.has(scope));
}
