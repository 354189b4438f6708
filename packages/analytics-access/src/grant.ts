/** The right of a fabric's gateways to report requests for a while. */
export interface AnalyticsGrant {
  /** Whatever a batch says comes from there. */
  readonly fabricId: string;
  /** Names of the environments that it may report for. */
  readonly environments: readonly string[];
  readonly issuedAt: Date;
  /** Not valid from then on. */
  readonly expiresAt: Date;
  /** For logs, which never hold the token itself. */
  readonly tokenId: string;
}

/** Header `typ`: no other document of the same signer is a token. */
export const analyticsTokenType = "drawbridge-analytics+jws";

/** Path of the SPIFFE ID of whoever may sign one. */
export const analyticsTokenSigner = "/cp/runtime-manager";

/** Room for a chain and for a hundred environments with the longest names, and small enough for one HTTP header. */
export const maxTokenCharacters = 14 * 1024;
