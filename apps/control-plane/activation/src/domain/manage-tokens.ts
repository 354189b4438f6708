import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { formatActivationToken, hashActivationToken } from "./activation-token.ts";
import { decideApproval, type ApprovalRequest } from "./decide-approval.ts";
import type { Applicant, StoredToken } from "./stored-token.ts";

/** What token management needs of the store. */
export interface ActivationTokens {
  insert(token: NewToken, requestId: string): Promise<"inserted" | "request_id_reused" | "fabric_deleted">;
  /** Newest first. */
  list(options: {
    readonly fabricId: string | undefined;
    readonly beforeTokenId: string | undefined;
    readonly limit: number;
  }): Promise<readonly ListedToken[]>;
  find(tokenId: string): Promise<ListedToken | undefined>;
  /** Only if the token is unused and not approved at `now`, by somebody else than its maker. */
  approve(request: ApprovalRequest, now: Date): Promise<"approved" | "changed">;
  revokeUnused(tokenId: string, now: Date): Promise<"revoked" | "not_unused">;
}

/** A token with the agents that ask for its approval. */
export interface ListedToken extends StoredToken {
  /** By first call. */
  readonly applicants: readonly Applicant[];
}

export type NewToken = Pick<
  StoredToken,
  | "tokenId"
  | "sha256"
  | "fabricId"
  | "fabricName"
  | "org"
  | "createdBy"
  | "createdAt"
  | "expiresAt"
  | "allowedNetworks"
  | "keySha256"
  | "approval"
>;

export interface TokenRequest {
  readonly requestId: string;
  readonly fabricId: string;
  readonly fabricName: string;
  readonly org: string;
  /** 0 for the default. */
  readonly ttlSeconds: number;
  readonly createdBy: string;
  readonly allowedNetworks: readonly string[];
  readonly requiresApproval: boolean;
  /** Empty for any. */
  readonly keySha256: string;
}

export interface TokenManagement {
  /**
   * Make a token. Its text is in the answer and nowhere else.
   * @throws DrawbridgeError `TOKEN_TTL_OUT_OF_RANGE` (invalid_argument) | `REQUEST_ID_REUSED` (already_exists) |
   *   `FABRIC_NOT_FOUND` (not_found): it was deleted
   */
  create(request: TokenRequest): Promise<{ readonly token: ListedToken; readonly text: string }>;
  list(options: {
    readonly fabricId: string | undefined;
    readonly pageSize: number;
    readonly beforeTokenId: string | undefined;
  }): Promise<{ readonly tokens: readonly ListedToken[]; readonly nextBefore: string | undefined }>;
  /** @throws DrawbridgeError `ACTIVATION_TOKEN_NOT_FOUND` (not_found) */
  get(tokenId: string): Promise<ListedToken>;
  /**
   * Let the agent with this key redeem the token. Idempotent for the same key.
   * @throws DrawbridgeError `ACTIVATION_TOKEN_NOT_FOUND` and what `decideApproval` refuses with
   */
  approve(request: ApprovalRequest): Promise<ListedToken>;
  /**
   * Idempotent.
   * @throws DrawbridgeError `ACTIVATION_TOKEN_NOT_FOUND` (not_found) | `ACTIVATION_TOKEN_USED` (failed_precondition)
   */
  revoke(tokenId: string): Promise<ListedToken>;
}

/** Life of a token (design R3 and 5a). */
const tokenTtl = { defaultSeconds: 1_800, minimumSeconds: 300, maximumSeconds: 86_400 } as const;

export function createTokenManagement(deps: {
  readonly tokens: ActivationTokens;
  /** Activation endpoints that agents dial, host:port. */
  readonly endpoints: readonly string[];
  /** Pins of the roots that are trusted now, read for every token: several while roots are rotated. */
  readonly pins: () => readonly string[];
  readonly clock: Clock;
  readonly ids: IdSource;
  /** 32 random bytes. */
  readonly newSecret: () => Uint8Array;
}): TokenManagement {
  const { tokens, clock } = deps;

  async function get(tokenId: string): Promise<ListedToken> {
    const token = await tokens.find(tokenId);
    if (!token) throw notFound(tokenId);
    return token;
  }

  return {
    get,

    approve: async (request) => {
      // What was decided about may have changed meanwhile; then it is decided about again, and ends otherwise.
      for (;;) {
        const token = await get(request.tokenId);
        const now = clock.now();
        const decision = decideApproval(token, request, now);
        if (decision.decision === "refuse") throw decision.error;
        if (decision.decision === "done") return token;
        if ((await tokens.approve(request, now)) === "approved") return get(request.tokenId);
      }
    },

    create: async (request) => {
      const createdAt = wholeSecond(clock.now());
      const expiresAt = new Date(createdAt.getTime() + ttlOf(request.ttlSeconds) * 1000);
      const tokenId = deps.ids.next();
      const text = formatActivationToken(
        { tokenId, endpoints: deps.endpoints, expiresAt, pins: deps.pins() },
        deps.newSecret(),
      );
      const { fabricId, fabricName, org, createdBy, allowedNetworks } = request;
      const token = {
        tokenId,
        sha256: hashActivationToken(text),
        fabricId,
        fabricName,
        org,
        createdBy,
        createdAt,
        expiresAt,
        allowedNetworks,
        keySha256: request.keySha256 === "" ? undefined : request.keySha256,
        approval: request.requiresApproval ? ({ state: "awaited" } as const) : ({ state: "not_needed" } as const),
      };
      const outcome = await tokens.insert(token, request.requestId);
      if (outcome === "request_id_reused") throw requestIdReused();
      if (outcome === "fabric_deleted") throw fabricNotFound(fabricId);
      return {
        token: { ...token, state: "unused", redeemedAt: undefined, agentId: undefined, refusedUses: 0, applicants: [] },
        text,
      };
    },

    list: async ({ fabricId, pageSize, beforeTokenId }) => {
      const found = await tokens.list({ fabricId, beforeTokenId, limit: pageSize + 1 });
      const page = found.slice(0, pageSize);
      return { tokens: page, nextBefore: found.length > pageSize ? page.at(-1)?.tokenId : undefined };
    },

    revoke: async (tokenId) => {
      await tokens.revokeUnused(tokenId, clock.now());
      const token = await get(tokenId);
      if (token.state === "redeemed") throw alreadyUsed(token);
      return token;
    },
  };
}

/** `exp` in the token counts seconds; the stored instant is the same. */
function wholeSecond(instant: Date): Date {
  return new Date(Math.floor(instant.getTime() / 1000) * 1000);
}

function ttlOf(seconds: number): number {
  if (seconds === 0) return tokenTtl.defaultSeconds;
  if (seconds >= tokenTtl.minimumSeconds && seconds <= tokenTtl.maximumSeconds) return seconds;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "TOKEN_TTL_OUT_OF_RANGE",
    message: `the life of a token is ${tokenTtl.minimumSeconds} to ${tokenTtl.maximumSeconds} seconds, not ${seconds}`,
  });
}

function requestIdReused(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "already_exists",
    code: "REQUEST_ID_REUSED",
    message: "a token was made for this request already; its text cannot be shown again: revoke it and ask for another",
  });
}

function notFound(tokenId: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "ACTIVATION_TOKEN_NOT_FOUND",
    message: "there is no such activation token",
    details: { tokenId },
  });
}

function fabricNotFound(fabricId: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "FABRIC_NOT_FOUND",
    message: "the fabric was deleted; create it again to activate it",
    details: { fabricId },
  });
}

function alreadyUsed({ tokenId, fabricName }: Pick<StoredToken, "tokenId" | "fabricName">): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ACTIVATION_TOKEN_USED",
    message: `this activation token was redeemed; to take the identity that it gave away: drawbridge fabric delete ${fabricName}`,
    details: { tokenId },
  });
}
