/** Digest of a client secret. */
export interface SecretDigest {
  /** 32 bytes. */
  readonly sha256: Uint8Array;
  /** Milliseconds since 1970; not valid from then on. Absent: until revoked. */
  readonly notAfterMs: number | undefined;
}

/** A client application with approved access to the API. */
export interface ClientContract {
  readonly contractId: string;
  readonly clientId: string;
  readonly clientName: string;
  readonly secrets: readonly SecretDigest[];
  /** Undefined without a tier. */
  readonly tierId: string | undefined;
}

export interface TierLimit {
  readonly requests: number;
  readonly periodMs: number;
}

/** An SLA tier. */
export interface Tier {
  readonly tierId: string;
  readonly name: string;
  readonly limits: readonly TierLimit[];
}

/** The approved contracts of one API, as of one configuration. */
export interface ContractSet {
  readonly count: number;
  readonly find: (clientId: string) => ClientContract | undefined;
}

/** Where policies look contracts up. A change replaces `current`; compare it to drop what was cached from it. */
export interface ContractDirectory {
  readonly current: ContractSet;
}
