import { enqueueEvent, type Store } from "@drawbridge/store";
import type { ActivationTokens, ListedToken } from "../domain/manage-tokens.ts";
import type { StoredToken } from "../domain/stored-token.ts";
import { tokenCreated, tokenRevoked } from "../events/token-events.ts";
import type { ActivationDatabase } from "./database.ts";
import { isFabricDeleted, lockFabric } from "./deleted-fabrics.ts";
import { applicantFromRow, tokenFromRow } from "./rows.ts";

/** Tokens on PostgreSQL, as operators see them. */
export function createTokenRepository(store: Pick<Store<ActivationDatabase>, "db" | "transaction">): ActivationTokens {
  const withAgent = () =>
    store.db
      .selectFrom("activation_token")
      .leftJoin("enrolment", "enrolment.token_id", "activation_token.token_id")
      .selectAll("activation_token")
      .select("enrolment.agent_id as agent_id");

  async function withApplicants(tokens: readonly StoredToken[]): Promise<readonly ListedToken[]> {
    const asked = tokens.filter(({ approval }) => approval.state !== "not_needed").map(({ tokenId }) => tokenId);
    if (asked.length === 0) return tokens.map((token) => ({ ...token, applicants: [] }));
    const rows = await store.db
      .selectFrom("activation_applicant")
      .selectAll()
      .where("token_id", "in", asked)
      .orderBy("first_asked_at")
      .orderBy("key_sha256")
      .execute();
    const byToken = Map.groupBy(rows, (row) => row.token_id);
    return tokens.map((token) => ({ ...token, applicants: (byToken.get(token.tokenId) ?? []).map(applicantFromRow) }));
  }

  return {
    insert: (token, requestId) =>
      store.transaction(async (tx) => {
        await lockFabric(tx, token.fabricId, "create");
        if (await isFabricDeleted(tx, token.fabricId)) return "fabric_deleted";
        const inserted = await tx
          .insertInto("activation_token")
          .values({
            token_id: token.tokenId,
            request_id: requestId,
            token_sha256: token.sha256,
            fabric_id: token.fabricId,
            fabric_name: token.fabricName,
            org: token.org,
            state: "unused",
            created_by: token.createdBy,
            created_at: token.createdAt,
            expires_at: token.expiresAt,
            allowed_networks: [...token.allowedNetworks],
            key_sha256: token.keySha256 ?? null,
            requires_approval: token.approval.state !== "not_needed",
          })
          .onConflict((conflict) => conflict.column("request_id").doNothing())
          .executeTakeFirst();
        if (inserted.numInsertedOrUpdatedRows === 0n) return "request_id_reused";
        await enqueueEvent(tx, tokenCreated(token));
        return "inserted";
      }),

    // By activation_token_of_fabric, or by the primary key when no fabric is named; ids sort by time.
    list: async ({ fabricId, beforeTokenId, limit }) => {
      let query = withAgent().orderBy("activation_token.token_id", "desc").limit(limit);
      if (fabricId !== undefined) query = query.where("activation_token.fabric_id", "=", fabricId);
      if (beforeTokenId !== undefined) query = query.where("activation_token.token_id", "<", beforeTokenId);
      const rows = await query.execute();
      return withApplicants(rows.map((row) => tokenFromRow(row, row.agent_id ?? undefined)));
    },

    find: async (tokenId) => {
      const row = await withAgent().where("activation_token.token_id", "=", tokenId).executeTakeFirst();
      if (!row) return undefined;
      const [token] = await withApplicants([tokenFromRow(row, row.agent_id ?? undefined)]);
      return token;
    },

    approve: async ({ tokenId, keySha256, approvedBy }, now) => {
      const approved = await store.db
        .updateTable("activation_token")
        .set({ approved_key_sha256: keySha256, approved_by: approvedBy, approved_at: now })
        .where("token_id", "=", tokenId)
        .where("state", "=", "unused")
        .where("expires_at", ">", now)
        .where("requires_approval", "=", true)
        .where("approved_by", "is", null)
        .where("created_by", "<>", approvedBy)
        .executeTakeFirst();
      return approved.numUpdatedRows > 0n ? "approved" : "changed";
    },

    revokeUnused: (tokenId, now) =>
      store.transaction(async (tx) => {
        const revoked = await tx
          .updateTable("activation_token")
          .set({ state: "revoked", revoked_at: now })
          .where("token_id", "=", tokenId)
          .where("state", "=", "unused")
          .returning("fabric_id")
          .executeTakeFirst();
        if (!revoked) return "not_unused";
        await enqueueEvent(tx, tokenRevoked({ tokenId, fabricId: revoked.fabric_id, now }));
        return "revoked";
      }),
  };
}
