/** Where a token is in its life. */
export type TokenState = "unused" | "redeemed" | "revoked" | "expired";

/** A token as it is kept: without its secret. */
export interface StoredToken {
  readonly tokenId: string;
  readonly sha256: Buffer;
  readonly fabricId: string;
  readonly fabricName: string;
  readonly org: string;
  /** As stored; expiry is a matter of the time at which one asks. */
  readonly state: Exclude<TokenState, "expired">;
  readonly createdBy: string;
  readonly createdAt: Date;
  /** Valid up to but not including this instant. */
  readonly expiresAt: Date;
  readonly redeemedAt: Date | undefined;
  /** The agent that it made. */
  readonly agentId: string | undefined;
  /** Uses refused after the first. */
  readonly refusedUses: number;
  /** From which it may be redeemed; none: from anywhere. */
  readonly allowedNetworks: readonly string[];
  /** The only tunnel key that may redeem it: SHA-256 of its SubjectPublicKeyInfo, lower-case hex. */
  readonly keySha256: string | undefined;
  readonly approval: TokenApproval;
}

/** Whether somebody else than the token's maker has to say which agent it is for. */
export type TokenApproval =
  | { readonly state: "not_needed" }
  | { readonly state: "awaited" }
  /** From then on it is for the agent with this tunnel key only. */
  | { readonly state: "given"; readonly keySha256: string; readonly by: string; readonly at: Date };

/** An agent that asked with a token that was not approved. */
export interface Applicant {
  /** SHA-256 of the tunnel key's SubjectPublicKeyInfo, lower-case hex. */
  readonly keySha256: string;
  readonly remoteAddress: string;
  readonly agentVersion: string;
  readonly firstAskedAt: Date;
  readonly lastAskedAt: Date;
}

/** More is not shown to an operator, who has to find the right one. */
export const mostApplicants = 8;

/** State at `now`: an unused token is expired from `expiresAt` on. */
export function tokenStateAt(token: Pick<StoredToken, "state" | "expiresAt">, now: Date): TokenState {
  return token.state === "unused" && now >= token.expiresAt ? "expired" : token.state;
}
