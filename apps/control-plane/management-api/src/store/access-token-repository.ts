import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import type { Selectable } from "kysely";
import type { AccessTokenKind } from "../domain/access-token.ts";
import type { RoleBinding } from "../domain/role.ts";
import type { Database } from "./database.ts";

/** A token without its secret. */
export interface AccessToken {
  readonly tokenId: string;
  readonly kind: AccessTokenKind;
  readonly description: string;
  readonly username: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly revokedAt: Date | undefined;
  readonly lastUsedAt: Date | undefined;
}

/** What authentication needs: the token, its hash, and what its user may do now. */
export interface TokenGrant extends AccessToken {
  readonly userId: string;
  readonly secretSha256: Uint8Array;
  readonly bindings: readonly RoleBinding[];
}

export interface NewAccessToken {
  readonly tokenId: string;
  readonly kind: AccessTokenKind;
  readonly userId: string;
  readonly requestId: string;
  readonly description: string;
  readonly secretSha256: Uint8Array;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface AccessTokenRepository {
  /** @throws DrawbridgeError `REQUEST_ID_REUSED` (already_exists): the secret of the first answer is not kept. */
  create(token: NewAccessToken): Promise<void>;
  findGrant(tokenId: string): Promise<TokenGrant | undefined>;
  touch(tokenId: string, now: Date): Promise<void>;
  /** API tokens, newest first, from below `beforeTokenId`; of one user or of all. */
  listApiTokens(options: {
    readonly userId: string | undefined;
    readonly limit: number;
    readonly beforeTokenId: string | undefined;
  }): Promise<readonly AccessToken[]>;
  /** Idempotent: the first instant stays. Only the user's own where `userId` is given. */
  revoke(tokenId: string, options: { readonly userId?: string; readonly now: Date }): Promise<"revoked" | "unknown">;
  /** Forget tokens that ended before `before`. Answers how many. */
  deleteEnded(before: Date): Promise<number>;
}

export function createAccessTokenRepository(store: Pick<Store<Database>, "db">): AccessTokenRepository {
  return {
    async create(token) {
      const inserted = await store.db
        .insertInto("access_token")
        .values({
          token_id: token.tokenId,
          kind: token.kind,
          user_id: token.userId,
          request_id: token.requestId,
          description: token.description,
          secret_sha256: token.secretSha256,
          created_at: token.createdAt,
          expires_at: token.expiresAt,
          revoked_at: null,
          last_used_at: null,
        })
        .onConflict((conflict) => conflict.columns(["user_id", "request_id"]).doNothing())
        .returning("token_id")
        .executeTakeFirst();
      if (inserted) return;
      throw new DrawbridgeError({
        kind: "already_exists",
        code: "REQUEST_ID_REUSED",
        message:
          "this Idempotency-Key already made a token, whose secret is not kept; revoke that one and use another key",
      });
    },

    async findGrant(tokenId) {
      const row = await selectTokens(store)
        .select(["access_token.secret_sha256", "access_token.user_id"])
        .where("access_token.token_id", "=", tokenId)
        .executeTakeFirst();
      if (!row) return undefined;
      const bindings = await store.db
        .selectFrom("role_binding")
        .select(["role", "environment"])
        .where("user_id", "=", row.user_id)
        .execute();
      return { ...tokenFromRow(row), userId: row.user_id, secretSha256: row.secret_sha256, bindings };
    },

    async touch(tokenId, now) {
      await store.db.updateTable("access_token").set({ last_used_at: now }).where("token_id", "=", tokenId).execute();
    },

    async listApiTokens({ userId, limit, beforeTokenId }) {
      const rows = await selectTokens(store)
        .where("access_token.kind", "=", "api")
        .$if(userId !== undefined, (query) => query.where("access_token.user_id", "=", userId ?? ""))
        .$if(beforeTokenId !== undefined, (query) => query.where("access_token.token_id", "<", beforeTokenId ?? ""))
        .orderBy("access_token.token_id", "desc")
        .limit(limit)
        .execute();
      return rows.map(tokenFromRow);
    },

    async revoke(tokenId, { userId, now }) {
      const row = await store.db
        .updateTable("access_token")
        .set((expression) => ({ revoked_at: expression.fn.coalesce("revoked_at", expression.val(now)) }))
        .where("token_id", "=", tokenId)
        .$if(userId !== undefined, (query) => query.where("user_id", "=", userId ?? ""))
        .returning("token_id")
        .executeTakeFirst();
      return row ? "revoked" : "unknown";
    },

    async deleteEnded(before) {
      const result = await store.db.deleteFrom("access_token").where("expires_at", "<", before).executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}

function selectTokens(store: Pick<Store<Database>, "db">) {
  return store.db
    .selectFrom("access_token")
    .innerJoin("app_user", "app_user.user_id", "access_token.user_id")
    .select([
      "access_token.token_id",
      "access_token.kind",
      "access_token.description",
      "access_token.created_at",
      "access_token.expires_at",
      "access_token.revoked_at",
      "access_token.last_used_at",
      "app_user.username",
    ]);
}

type TokenRow = Pick<
  Selectable<Database["access_token"]>,
  "token_id" | "kind" | "description" | "created_at" | "expires_at" | "revoked_at" | "last_used_at"
> & { readonly username: string };

function tokenFromRow(row: TokenRow): AccessToken {
  return {
    tokenId: row.token_id,
    kind: row.kind,
    description: row.description,
    username: row.username,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
